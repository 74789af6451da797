"""The images of a project: import, export, trace, forget, corrections, uncommitted changes."""
