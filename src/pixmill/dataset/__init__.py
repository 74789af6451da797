"""The images of a project as a data set: import, export, trace, forget, corrections, uncommitted changes."""
