"""Pages are drawn of templates; in those of the admin area nothing runs a script."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)

TEMPLATES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
"""Of all pages and mails."""


def drawn(name: str, view: Mapping[str, object]) -> Response:
    """A page of the admin area.

    Args:
        name: Of the template.
        view: What it shows.
    """
    page = TEMPLATES.get_template(name).render(view)
    return HTMLResponse(page, headers={"Content-Security-Policy": _POLICY})
