"""Numbers with their nouns, for messages and pages."""


def count(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun.

    >>> count(1, "image"), count(1200, "image"), count(2, "class", "classes")
    ('1 image', '1,200 images', '2 classes')

    Args:
        number: How many.
        noun: In the singular; what follows it may stand here, too, as in ``image was``.
        plural: Default: the noun with an ``s``.
    """
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
