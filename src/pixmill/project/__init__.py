"""A project as a whole: make, check, tidy and show it."""
