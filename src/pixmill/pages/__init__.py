"""The pages for people: a package a stage, on the frame that ``base`` gives."""
