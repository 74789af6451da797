"""The images of a project as a data set: taken in, handed on, traced, and taken out."""
