"""Many images at once: their features, what to label next, and views of them."""
