"""Review: a local page that shows images of doubt side by side, and writes a person's decisions to ``review.csv``.

What is in doubt:

- ``material``: the tables of validate, scrape and evaluate
- ``doubts``: cases, that is images to be seen side by side, and when they are settled
- ``outliers``: what is unlike its class

What is decided:

- ``ledger``: ``review.csv``, changed line by line
- ``review_session``: cases and decisions, as the page is told of them

The page:

- ``preview``: images, decoded under guard and encoded anew
- ``page_server``: the page, for one person's browser and nobody else
- ``reviewing``: all of it as one function

The package itself imports nothing: the processes that decode images import it too, and a person waits for them.
"""
