"""Render a stage's page within the common frame, everything escaped."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from pixmill.report.names import shorten

__all__ = ["render_page"]


def render_page(package: str, template: str, **content: Any) -> str:
    """Return a self-contained HTML page.

    Every value is escaped: names, URLs and titles come from strangers. Templates extend ``base.html`` of this package
    and fill its blocks ``title``, ``lead`` and ``content``; their filters ``count`` and ``percent`` show numbers, and
    ``shorten`` long names (:func:`pixmill.report.names.shorten`).

    Args:
        package: The package that holds the template, such as ``pixmill.validate``.
        template: The template's file name there, such as ``report.html``.
        content: What the template names; a name that is not given is an error.
    """
    import jinja2

    def load(name: str) -> str:
        owner = "pixmill.report" if name in ("base.html", "macros.html") else package
        return files(owner).joinpath(name).read_text(encoding="utf-8")

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(load),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["percent"] = lambda value: f"{100 * value:.1f} %"
    environment.filters["shorten"] = shorten
    environment.filters["count"] = lambda value: f"{value:,}"
    return environment.get_template(template).render(**content)
