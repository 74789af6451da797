"""Build the file: the served page, whose server is replaced by the model and its runtime."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from graphlib import TopologicalSorter
from importlib.metadata import distribution
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from pixmill import __version__
from pixmill.images.read_errors import UNREADABLE
from pixmill.models.classifier import Classifier
from pixmill.models.litert import load_litert, load_scorer
from pixmill.pages.page import make_environment
from pixmill.serve.export.html.networks import read_networks
from pixmill.serve.export.html.runtime import load_runtime
from pixmill.serve.predict.model import Model

_SERVED = files("pixmill.serve.http")
_PAGES = files("pixmill.pages")
_OWN = files("pixmill.serve.export.html")

_NETWORK = re.compile('<script type="text/plain" class="network">(.*?)</script>')
_IMPORT = re.compile(r"\bfrom '\./(\w+)\.js'")

_POLICY = (
    "default-src 'none'; script-src {script} blob: 'wasm-unsafe-eval'; style-src {style}; "
    "img-src blob: data:; media-src blob:; worker-src blob:; base-uri 'none'; form-action 'none'"
)
"""The file fetches nothing: no ``connect-src``, and no source with a host."""


def build_page(model: Model, *, small: bool = False, contact: str | None = None) -> bytes:
    """Return a self-contained HTML file that predicts images offline; equal models, equal bytes.

    Args:
        model: The model.
        small: Whether weights are rounded to half precision, for a file of two thirds of the size.
        contact: Whom to ask about the model; ``None`` names nobody.

    Raises:
        PixmillError: The runtime is missing, or cannot run the model.
    """
    runtime = load_runtime()
    networks = read_networks(model.path, small=small)
    classifier = Classifier.load(model.path)
    modules = {**_sources(_PAGES), **_sources(_SERVED), **_sources(_OWN)}
    boot = modules.pop("boot")
    modules |= {"litert": runtime.api, "glue": runtime.glue}
    style = (_SERVED / "static" / "page.css").read_text(encoding="utf-8")
    environment = make_environment("pixmill.serve.http", autoescape=True)
    text = environment.get_template("page.html").render(
        one_file={
            "policy": _POLICY.format(script=_hash(boot), style=_hash(style)),
            "title": model.name,
            "contact": contact,
            "style": style,
            "boot": boot,
            "modules": _in_order(modules),
            "licences": _licences(),
            "description": _describe(model, classifier, small=small),
            "runtime": _pack(runtime.wasm),
            "networks": [_pack(_planes(network)) for network in networks],
        }
    )
    return text.encode()


def _sources(package: Any) -> dict[str, str]:
    """Return the modules of a package by name."""
    return {
        path.name.removesuffix(".js"): path.read_text(encoding="utf-8")
        for path in (package / "static").iterdir()
        if path.name.endswith(".js") and path.name != "docs.js"
    }


def _in_order(modules: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return modules after those that they import."""
    # In the order of names, so that equal modules give equal bytes.
    imports = {name: sorted(_IMPORT.findall(modules[name])) for name in sorted(modules)}
    return [(name, modules[name]) for name in TopologicalSorter(imports).static_order()]


def _describe(model: Model, classifier: Classifier, *, small: bool) -> str:
    """Return what the page knows of the model, as JSON that cannot end its element."""
    content = {
        **model.facts,
        "small": small,
        "made_with": f"Pixmill {__version__}",
        "preprocessing": asdict(classifier.preprocessing),
        "calibration": asdict(classifier.calibration),
        "reasons": UNREADABLE,
    }
    return json.dumps(content, ensure_ascii=False, sort_keys=True).replace("<", "\\u003c")


def _licences() -> str:
    """Return the licences of Pixmill and the runtime, which whoever passes the file on passes on."""
    apache = distribution("pixmill").read_text("licenses/LICENSE") or ""
    return (_OWN / "licences.txt").read_text(encoding="utf-8") + apache


def _hash(text: str) -> str:
    """Return the source of an inline element in a content security policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _planes(network: bytes) -> bytes:
    """Return the first bytes of all words, then the second ones, and so on.

    The exponents of weights are similar, so that together they compress well.
    """
    words = np.frombuffer(network + bytes(-len(network) % 4), np.uint8).reshape(-1, 4)
    return words.T.tobytes()


def _pack(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, 9, mtime=0)).decode()


def _unpack(text: str) -> bytes:
    """Undo :func:`_planes` and :func:`_pack`; up to three zeros follow the network."""
    planes = np.frombuffer(gzip.decompress(base64.b64decode(text)), np.uint8)
    return planes.reshape(4, -1).T.tobytes()


def open_page(path: Path, original: Classifier) -> Classifier:
    """Return a classifier with the networks of a page, which LiteRT runs.

    Args:
        path: A page of a classifier that logits come from.
        original: The classifier, for what is not in its networks.
    """
    networks = [_unpack(text) for text in _NETWORK.findall(path.read_text(encoding="utf-8"))]
    network, scorer = load_scorer(networks[-1])
    backbone = load_litert(networks[0]) if len(networks) > 1 else None
    return replace(original, network=network, scorer=scorer, backbone=backbone)
