"""From the chosen model to the one in production: versions and aliases in MLflow's registry.

- ``model_versions``: a registered model, its versions and aliases, and what their tags say
- ``candidate``: the commit that is to be promoted, and whether it may be
- ``promoting``: compares it with the champion, registers it, and moves the alias
- ``rolling_back``: moves the alias back
- ``report``: the versions as a table, as JSON, and the champion in a line
"""
