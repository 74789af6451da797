"""The pages for people: a package a stage, and ``predict``, the gallery, on the frame that ``base`` gives."""
