"""Review: a local page that shows images, and writes decisions to ``decisions.csv``.

What is shown:

- ``review_tables``: the tables of scrape, validate and evaluate
- ``grid.images``: all images by row, with their features
- ``cases``: the images to review one by one, by kind
- ``outliers``: images that are unlike their class
- ``grid.advice``, ``grid.suggesting``: what to label next
- ``grid.views``: which images the grid shows, in which order

What is decided:

- ``review_session``: the one way to decide, and to undo
- ``feedback``: corrections in the inbox
- ``recovery``: decisions that vanished before a commit held them

The page:

- ``case_view``, ``grid_view``: cases and the grid as data for the page
- ``preview``: decoding of images in guarded worker processes
- ``page_routes``: its routes
- ``serving``: the review of a project, below the page of ``pixmill open``

This package imports nothing, so that the processes which decode images start fast.
"""
