"""A model in use: tables, galleries, exports and HTTP."""
