"""Export the images of a project as a data set, with provenance, a card and attribution."""
