"""Evaluation of several labels an image.

- ``evaluation``: the steps in order
- ``measure``: metrics, and what is missed with what
- ``errors``: labels that are missed, and labels too much
- ``doubtful``: cells that are probably wrong, and labels that are probably missing
"""
