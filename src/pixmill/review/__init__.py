"""Review: a local page that shows the images to review side by side, and writes decisions to ``review.csv``.

Kinds of cases:

- ``material``: the tables of validate, scrape and evaluate
- ``doubts``: cases, that is images to be seen side by side, and when they are settled
- ``outliers``: what is unlike its class
- ``feedback``: what people corrected the model on, and what becomes of it

What is decided:

- ``review_file``: ``review.csv``, changed line by line
- ``decision_log``: what was decided and no commit holds yet, kept with the inbox; ``examining`` finds what of it has
  vanished, ``restoring`` puts it back
- ``review_session``: cases and decisions, as the page is told of them
- ``named``: one image by its name
- ``sitting``: all that a review holds while it lasts, and its end

The page:

- ``preview``: images, decoded under guard and encoded anew
- ``page_routes``: the page and what it asks for, as routes of a server
- ``reviewing``: all of it as one function, with a server of its own

The package itself imports nothing: the processes that decode images import it too, and a person waits for them.
"""
