"""Review: a local page that shows images side by side, and writes decisions to ``review.csv``.

Cases:

- ``review_tables``: the tables of scrape, validate and evaluate
- ``cases``: the images to review, by kind
- ``outliers``: images that are unlike their class
- ``feedback``: corrections in the inbox

Decisions:

- ``review_file``: ``review.csv``
- ``decision_log``: decisions that no commit holds yet
- ``recovery``: decisions that vanished before a commit held them
- ``review_session``: cases and decisions as the page shows them

The page:

- ``preview``: decoding of images in guarded worker processes
- ``page_routes``: routes of the page
- ``reviewing``: the review of a project: its cases and decisions
- ``grid``: labels for many images at once
- ``serving``: both pages, below the page of ``pixmill open``

This package imports nothing, so that the processes which decode images start fast.
"""
