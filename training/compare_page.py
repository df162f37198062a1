"""A comparison as one HTML page that needs nothing else: style and plot are inside it."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Final

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from features.errors import InvalidArgument
from training.plots import metric_bars
from training.reports import Comparison, Figure, Paired

DRAWN: Final = 8
"""Metrics that the plot shows at the most."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One metric as the page prints it.

    Attributes:
        metric: The metric's name.
        a: Of the first version.
        b: Of the second.
        difference: With its interval.
        kind: `better` or `worse` where the interval leaves 0 out, else "".
    """

    metric: str
    a: str
    b: str
    difference: str
    kind: str


def write_page(comparison: Comparison, path: Path) -> Comparison:
    """Write the page; the comparison that names it.

    Raises:
        InvalidArgument: The file can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page(comparison), encoding="utf-8")
    except OSError as error:
        reason = f"can't be written: {error.strerror}"
        cure = "choose another file"
        raise InvalidArgument.of(str(path), field="html", reason=reason, cure=cure) from error
    return msgspec.structs.replace(comparison, page=str(path))


def page(comparison: Comparison) -> str:
    """The page."""
    loader = PackageLoader("training")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    return environment.get_template("compare.html").render(
        c=comparison, rows=rows(comparison), plot=_plot(comparison)
    )


def rows(comparison: Comparison) -> list[Row]:
    """Every metric as people read it; what the terminal prints as well."""
    return [
        Row(
            metric=one.metric,
            a=shown(one.a),
            b=shown(one.b),
            difference=shown(one.difference, sign="+"),
            kind=_kind(one),
        )
        for one in comparison.metrics
    ]


def shown(figure: Figure | None, *, sign: str = "") -> str:
    """A figure with its interval, as `0.1234 (0.1200 to 0.1270)`; a dash where there is none."""
    if figure is None:
        return "–"
    value = f"{figure.value:{sign}.4f}"
    if not math.isfinite(figure.low):
        return value
    return f"{value} ({figure.low:{sign}.4f} to {figure.high:{sign}.4f})"


def _kind(paired: Paired) -> str:
    gap = paired.difference
    if gap is None or not (gap.low > 0 or gap.high < 0):
        return ""
    return "better" if (gap.value > 0) == gap.higher_is_better else "worse"


def _plot(comparison: Comparison) -> Markup:
    names = {"a": comparison.a, "b": comparison.b}
    figures = [
        msgspec.structs.replace(figure, model=names[figure.model])
        for one in comparison.metrics[:DRAWN]
        for figure in (one.a, one.b)
        if figure is not None
    ]
    drawn = io.StringIO()
    plot = metric_bars(figures, list(dict.fromkeys(figure.metric for figure in figures)))
    plot.axes[0].tick_params(axis="x", labelrotation=30)
    plot.savefig(drawn, format="svg")
    text = drawn.getvalue()
    # Ours, and text in it is drawn as paths: nothing from outside gets in unescaped.
    return Markup(text[text.index("<svg") :])  # noqa: S704
