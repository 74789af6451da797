"""A model as one HTML file, which answers offline in any browser."""
