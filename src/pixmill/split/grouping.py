"""Which images belong together: those of one page or product, and those that are near-duplicates."""

import re
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.core.params import SplitParams

GroupBy = Literal["product", "page"]
Texts = npt.NDArray[np.object_]

_NUMBERED = re.compile(r"(?<=[^\W_])(?:[ _-]\d{1,2}| ?\(\d{1,2}\))$")
"""The number of an image among those of one thing: ``_1``, ``-02`` or `` (3)``; longer ones are a camera's."""

_SCRIPT = re.compile(r"\.(?:aspx?|cfm|cgi|do|jsp|php\d?|pl)$", re.IGNORECASE)
"""A path that names a script and no product: there the query tells the product."""

_TRACK = re.compile(r"/ref=.*$")
"""Where Amazon's addresses begin to tell how one came there."""


def names_of(images: pd.DataFrame, params: SplitParams) -> Texts:
    """Return what is hashed of each image: the name of its group; where it stands by itself, its id.

    Args:
        images: ``id`` and, where ``split.group_by`` is set, the columns that :func:`.group_names` reads.
        params: The section ``split``.
    """
    ids = images["id"].to_numpy(object)
    if params.group_by is None:
        return ids
    groups = group_names(images, params.group_by).to_numpy(object)
    return np.where(pd.isna(groups), ids, groups)


def group_names(table: pd.DataFrame, by: GroupBy) -> pd.Series:
    """Return the name of each image's group, absent where it stands by itself.

    Only the image's own row decides, so that no other image moves it.

    Args:
        table: A manifest with ``source``, ``page_url`` and ``image_url`` of each image's first sighting.
        by: ``page``: the images that were seen on one page. ``product``: those of one product's page, or, in people's
            folders, those whose files differ in nothing but a number at the end.
    """
    urls = table["page_url"].astype(object).where(table["page_url"].notna(), None)
    if by == "page":
        names = {url: page_of(url) for url in urls.dropna().unique()}
        return urls.map(names).astype(object)
    files = table["image_url"].where((table["source"] == "folder") & table["image_url"].notna()).astype(object)
    products = {url: product_of(url) for url in urls.dropna().unique()}
    found = urls.map(products).where(urls.notna(), files.map(_file_product, na_action="ignore")).astype(object)
    return found.where(found.notna(), None)


def page_of(url: str) -> str:
    """Return what names a page: its address without the place on it."""
    return f"page {url.partition('#')[0]}"


def product_of(url: str) -> str:
    """Return what names the product of a page: its address without what tells how one came there.

    The query string goes, except where the path alone names no product (it is a script, or nothing).

    Args:
        url: The page's address, untrusted.
    """
    try:
        scheme, host, path, query, _ = urlsplit(url)
    except ValueError:
        return f"product {url}"
    path = _TRACK.sub("", path).rstrip("/")
    kept = query if not path or _SCRIPT.search(path) else ""
    return f"product {urlunsplit((scheme.lower(), host.lower(), path, kept, ''))}"


def _file_product(address: str) -> str:
    """Return what names the product of a file of people, ``data/<class>/<file>``, whatever part it lies in."""
    *_, label, name = ["", *address.split("/")]
    stem = name.rpartition(".")[0] or name
    return f"product {label}/{_NUMBERED.sub('', stem)}"


def clusters(groups: Texts, names: Texts | None) -> Texts:
    """Return what stands for each image's cluster: the least of its groups of near-duplicates.

    Two images are of one cluster where they share a group of near-duplicates or a given one, or where a chain of such
    images leads from one to the other.

    Args:
        groups: Each image's group of near-duplicates.
        names: Each image's given group, absent where it stands by itself; ``None`` where no groups were asked for.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if names is None:
        return groups
    group_of, known = pd.factorize(groups, sort=True)
    name_of, given = pd.factorize(names)
    named = name_of >= 0
    # Groups of both kinds are the nodes, and each image that is in two of them joins these.
    count = len(known) + len(given)
    links = (np.ones(named.sum()), (group_of[named], len(known) + name_of[named]))
    _, component_of = connected_components(coo_array(links, shape=(count, count)), directed=False)
    _, first, component = np.unique(component_of[: len(known)], return_index=True, return_inverse=True)
    found: Texts = np.asarray(known, object)[first[component]][group_of]
    return found
