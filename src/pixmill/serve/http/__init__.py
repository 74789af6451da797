"""HTTP service: predictions, a page for people, and feedback."""
