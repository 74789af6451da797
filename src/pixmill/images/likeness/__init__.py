"""How alike two images are, and which of many are near-duplicates."""
