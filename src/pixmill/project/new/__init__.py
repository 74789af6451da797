"""Creation and upgrade of projects.

- ``template``: files of a project
- ``supply``: reference or wheel from which a project installs Pixmill
- ``creating``: ``pixmill new``
- ``upgrading``: ``pixmill upgrade``
"""
