"""What a project is at, as a whole, and what comes next.

- ``project_state``: stages, Git, runs, model in production, inbox, doubtful labels and images, disk
- ``findings``: what the results say that people may act on
- ``next_steps``: one sentence and one command for each thing to do, in order
- ``state_json``: all of it as one JSON object
- ``opening``: the page of ``pixmill open``; its routes are in ``page_routes``, what they show and do in ``jobs`` (the
  pipeline and the comparison) and ``reports``
"""
