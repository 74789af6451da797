"""Groups of images (same page or product) and clusters (groups joined with near-duplicates)."""

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
"""Number of an image of one product: ``_1``, ``-02`` or `` (3)``; longer numbers come from cameras."""

_SCRIPT = re.compile(r"\.(?:aspx?|cfm|cgi|do|jsp|php\d?|pl)$", re.IGNORECASE)
"""Path of a script, for which the query identifies the product."""

_REFERRAL = re.compile(r"/ref=.*$")
"""Referral part of URLs of Amazon."""


def names_of(images: pd.DataFrame, params: SplitParams) -> Texts:
    """Return the hashed name of each image: its group name, or its id if it has no group.

    Args:
        images: Column ``id``; with ``split.group_by``, also the columns of :func:`.group_names`.
        params: The section ``split``.
    """
    ids = images["id"].to_numpy(object)
    if params.group_by is None:
        return ids
    groups = group_names(images, params.group_by).to_numpy(object)
    return np.where(pd.isna(groups), ids, groups)


def group_names(table: pd.DataFrame, by: GroupBy) -> pd.Series:
    """Return the group name of each image, null if it has no group.

    The name depends only on the row of the image, so other images cannot change it.

    Args:
        table: A manifest with ``source``, ``page_url`` and ``image_url`` of the first sighting of each image.
        by: ``page``: images of one page. ``product``: images of one product page, or files in a folder whose names
            differ only in a number at the end.
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
    """Return the group name of a page: its URL without the fragment."""
    return f"page {url.partition('#')[0]}"


def product_of(url: str) -> str:
    """Return the group name of a product: its URL without query, fragment and referral parts.

    The query is kept if the path does not identify a product (a script, or empty).

    Args:
        url: URL of the page, untrusted.
    """
    try:
        scheme, host, path, query, _ = urlsplit(url)
    except ValueError:
        return f"product {url}"
    path = _REFERRAL.sub("", path).rstrip("/")
    kept = query if not path or _SCRIPT.search(path) else ""
    return f"product {urlunsplit((scheme.lower(), host.lower(), path, kept, ''))}"


def _file_product(address: str) -> str:
    """Return the group name of a file ``data/<class>/<file>`` or ``data/<split>/<class>/<file>``."""
    *_, label, name = ["", *address.split("/")]
    stem = name.rpartition(".")[0] or name
    return f"product {label}/{_NUMBERED.sub('', stem)}"


def clusters(groups: Texts, names: Texts | None) -> Texts:
    """Return the cluster of each image, named by its first group of near-duplicates.

    Clusters are the connected components of images that share a group of near-duplicates or a group name.

    Args:
        groups: Group of near-duplicates of each image.
        names: Group name of each image, null if it has none; ``None`` without ``split.group_by``.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if names is None:
        return groups
    group_of, known = pd.factorize(groups, sort=True)
    name_of, given = pd.factorize(names)
    named = name_of >= 0
    # Nodes are groups of both kinds; an image in two groups is an edge.
    count = len(known) + len(given)
    links = (np.ones(named.sum()), (group_of[named], len(known) + name_of[named]))
    _, component_of = connected_components(coo_array(links, shape=(count, count)), directed=False)
    _, first, component = np.unique(component_of[: len(known)], return_index=True, return_inverse=True)
    found: Texts = np.asarray(known, object)[first[component]][group_of]
    return found
