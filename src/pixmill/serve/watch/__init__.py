"""Whether a model at work still holds, from the log of its predictions."""
