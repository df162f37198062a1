"""A comparison as one HTML page that needs nothing else: style and drawings are inside it."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Final

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined

from features.errors import InvalidArgument
from training.compare.report import Comparison, Curve, Mark, Movement, Paired
from training.compare.words import COSTS, QUESTIONS, WHY, parted, says
from training.reports import Figure

MARKS: Final[dict[Mark, str]] = {
    "better": "▲ better",
    "worse": "▼ worse",
    "higher": "△ higher",
    "lower": "▽ lower",
    "level": "● no sure difference",
    "unknown": "– not paired",
}
"""How a mark is written: by a sign and a word, not by colour alone."""
MOVEMENTS: Final[dict[Movement, str]] = {
    "stable": "● stable",
    "moved": "◆ moved",
    "drifted": "▲ drifted",
}
NONE: Final = "–"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One metric as the page prints it.

    Attributes:
        name: The metric's, or the slice's.
        says: What it says; "" where there are no words.
        a: Of the first version.
        b: Of the second.
        difference: With its interval.
        mark: Of b against a.
        bar: Low, value and high of the difference, from -1 to 1 of its scale; None without one.
    """

    name: str
    says: str
    a: str
    b: str
    difference: str
    mark: Mark
    bar: tuple[float, float, float] | None


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """A headline metric as a tile.

    Attributes:
        row: The metric.
        a: Its value alone, of the first version.
        b: Of the second.
        change: Of b against a, in per cent; "" where a is 0.
    """

    row: Row
    a: str
    b: str
    change: str


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
    found = comparison.drift.found if comparison.drift else ()
    calm = [one for one in found if one.kind == "feature" and one.movement == "stable"]
    return (
        _environment()
        .get_template("compare.html")
        .render(
            c=comparison,
            cards=_cards(comparison),
            groups=_groups(comparison),
            slices=rows([(one.name, one.found) for one in comparison.slices], shared=True),
            reach=_reach(comparison.calibration),
            told=[one for one in found if one not in calm],
            calm=calm,
            marks=MARKS,
            movements=MOVEMENTS,
            costs=COSTS,
            why=WHY,
            number=number,
        )
    )


@cache
def _environment() -> Environment:
    """Reads templates, each once."""
    return Environment(
        loader=PackageLoader("training"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def rows(named: list[tuple[str, Paired]], *, shared: bool = False) -> list[Row]:
    """Metrics as people read them.

    Args:
        named: Name as it is printed, and the metric.
        shared: Whether all bars share one scale, as those of one metric can.
    """
    reaches = [_reach_of(one.difference) for _, one in named]
    widest = max(reaches, default=0.0)
    return [
        Row(
            name=name,
            says=says(name),
            a=shown(one.a),
            b=shown(one.b),
            difference=shown(one.difference, sign="+"),
            mark=one.mark,
            bar=_bar(one.difference, widest if shared else reach),
        )
        for (name, one), reach in zip(named, reaches, strict=True)
    ]


def shown(figure: Figure | None, *, sign: str = "") -> str:
    """A figure with its interval, as `0.1234 (0.1200 to 0.1270)`; a dash where there is none."""
    if figure is None:
        return NONE
    value = f"{figure.value:{sign}.4f}"
    if not math.isfinite(figure.low) or figure.low == figure.high:
        return value
    return f"{value} ({figure.low:{sign}.4f} to {figure.high:{sign}.4f})"


def number(value: float | None) -> str:
    """A cost as people read it: whole numbers with commas, small ones with what counts."""
    if value is None:
        return NONE
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 100 else f"{value:.3g}"  # noqa: PLR2004 - digits


def _reach_of(gap: Figure | None) -> float:
    """How far from 0 a difference's interval goes."""
    return 0.0 if gap is None or not gap.low <= gap.high else max(abs(gap.low), abs(gap.high))


def _bar(gap: Figure | None, widest: float) -> tuple[float, float, float] | None:
    if gap is None or not gap.low <= gap.high:
        return None
    scale = widest or 1.0
    return gap.low / scale, gap.value / scale, gap.high / scale


def _cards(comparison: Comparison) -> list[Card]:
    known = {one.metric: one for one in comparison.metrics}
    named = [(name, known[name]) for name in comparison.headline if name in known]
    return [
        Card(
            row=row,
            a=NONE if one.a is None else f"{one.a.value:.4f}",
            b=NONE if one.b is None else f"{one.b.value:.4f}",
            change=_change(one),
        )
        for row, (_, one) in zip(rows(named), named, strict=True)
    ]


def _change(paired: Paired) -> str:
    if paired.a is None or paired.b is None or not paired.a.value:
        return ""
    return f"{paired.b.value / paired.a.value - 1:+.1%}"


def _groups(comparison: Comparison) -> list[tuple[str, list[Row]]]:
    """Heading → its metrics; one group a question."""
    found: dict[str, list[tuple[str, Paired]]] = {}
    for one in comparison.metrics:
        question, _, _ = parted(one.metric)
        found.setdefault(question, []).append((one.metric, one))
    return [(QUESTIONS.get(question, ""), rows(named)) for question, named in found.items()]


def _reach(curves: tuple[Curve, ...]) -> float:
    """Where the axes of the calibration plot end: a little above all points, at most 1."""
    points = [value for one in curves for value in (*one.said, *one.came)]
    return min(1.0, max(points, default=1.0) * 1.1) or 1.0
