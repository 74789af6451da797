"""Escape untrusted text for Markdown."""

import re
import unicodedata


def escape(text: object) -> str:
    r"""Escape untrusted text for Markdown, on one line.

    >>> print(escape("[T-shirt](http://a.test) <b>|\n# top"))
    \[T-shirt\](http\://a.test) \<b\>\| \# top
    """
    # Category Cf can reverse text; Indic scripts need its joiners.
    kept = (
        letter
        if letter in "\u200c\u200d" or unicodedata.category(letter) not in ("Cc", "Cf", "Cs")
        else " "
        for letter in str(text)
    )
    line = " ".join("".join(kept).split())
    line = re.sub(r"[\\`*_\[\]<>#|~$@&]|:(?=//)|(?<=www)\.", r"\\\g<0>", line, flags=re.IGNORECASE)
    # Marks that begin a list.
    return re.sub(r"^(\d*)([-+.)])", r"\1\\\2", line)


def in_markdown(value: object) -> object:
    """Escape text for Markdown, except what templates mark as safe."""
    return escape(value) if isinstance(value, str) and not hasattr(value, "__html__") else value
