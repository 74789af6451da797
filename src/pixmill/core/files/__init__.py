"""Files: written atomically, cached, and where a project keeps them."""
