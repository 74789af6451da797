"""The map of the images: those that the model finds alike are neighbours."""
