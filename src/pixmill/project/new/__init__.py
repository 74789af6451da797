"""Projects of a team's own: ``pixmill new`` makes one, ``pixmill upgrade`` moves it to another version.

- ``template``: the files of a project
- ``supply``: what it installs Pixmill from
- ``creating``: a new project, or what an existing folder lacks
- ``upgrading``: an existing project for another version
"""
