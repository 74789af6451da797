"""Projects: create, configure, check, clean, upgrade and show them."""
