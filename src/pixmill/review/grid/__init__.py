"""Labels for many images at once, in a grid.

- ``pile``: the images and their features
- ``labels``: the labels that people give, kept at once
- ``suggesting``: what to label next
- ``grid``: the state that the page shows
- ``grid_routes``: routes of the page
"""
