"""The gallery: predictions of many images on one HTML page."""
