"""A rehearsal as one picture, or as one page that needs nothing else."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from features.errors import InvalidArgument
from homing.rehearsal.measured import Measured
from homing.rehearsal.report import Rehearsal

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DRAWN: Final = (".png", ".svg", ".html")
SIZE: Final = (11.0, 7.0)
"""Inches."""
COLORS: Final = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9")
"""Told apart by everybody (Okabe & Ito, 2008)."""
_MILLISECONDS: Final = 1_000.0
_BINS: Final = 60
_A_BIN: Final = 50
"""Answers that a bin has on average, at the least."""
_TITLE: Final = 34
"""Characters of a title that fit beside its bar."""


def claim(file: Path) -> None:
    """Make the file, so that a path that can't be used is told before the work.

    Raises:
        InvalidArgument: Its form is not known, or it can't be written.
    """
    if file.suffix not in DRAWN:
        cure = f"name a file that ends in {', '.join(DRAWN)}"
        raise InvalidArgument.of(str(file), field="report", reason="no such form", cure=cure)
    try:
        file.touch()
    except OSError as error:
        cure = "name a file in a folder that can be written"
        reason = str(error.strerror)
        raise InvalidArgument.of(str(file), field="report", reason=reason, cure=cure) from error


def draw(report: Rehearsal, measured: Measured, file: Path) -> None:
    """Write a rehearsal as a picture or a page, as the file's name ends.

    Raises:
        OSError: The file can't be written.
    """
    plot = rehearsal_plot(report, measured)
    if file.suffix != ".html":
        plot.savefig(file)
        return
    drawn = io.StringIO()
    plot.savefig(drawn, format="svg")
    loader = PackageLoader("homing.rehearsal", ".")
    pages = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    # What stands before the drawing itself is for files of their own.
    svg = drawn.getvalue().partition("<svg")
    page = pages.get_template("page.html").render(report=report, svg=svg[1] + svg[2])
    file.write_text(page, "utf-8")


def rehearsal_plot(report: Rehearsal, measured: Measured) -> Figure:
    """Latency over time and by percentile, what answered, and the items that dominate."""
    plot = Figure(figsize=SIZE, layout="constrained")
    (over_time, percentiles), (rungs, items) = plot.subplots(2, 2)
    _over_time(over_time, measured)
    _percentiles(percentiles, measured)
    _bars(
        rungs,
        "What slates were made from",
        ((f"{of.rung}: {of.reason}" if of.reason else of.rung, of.share) for of in report.rungs),
    )
    _bars(
        items,
        f"Of {report.items:,} items shown, those that most slates show",
        ((one.title[:_TITLE] or one.item, one.share) for one in report.dominant),
    )
    plot.suptitle(
        f"{report.send}: {report.load.requests:,} fetches at {report.rate:g} a second, "
        f"{sum(report.blanks.values()):,} blanks"
    )
    return plot


def _over_time(axes: Axes, measured: Measured) -> None:
    came = measured.came
    due, slow = measured.due[came], measured.seconds[came] * _MILLISECONDS
    axes.plot(due, slow, ".", markersize=2, alpha=0.3, color=COLORS[5], rasterized=True)
    if len(due):
        bins = min(max(len(due) // _A_BIN, 1), _BINS)
        edges = np.linspace(0.0, max(float(due.max()), 1e-3), bins + 1)
        place = np.digitize(due, edges[1:-1])
        for share, color in ((0.5, COLORS[0]), (0.99, COLORS[3])):
            line = [np.quantile(slow[place == bin_], share) for bin_ in np.unique(place)]
            axes.plot(edges[np.unique(place)], line, color=color, label=f"p{share * 100:g}")
        axes.legend()
    axes.set(title="Latency", xlabel="seconds since the start", ylabel="ms", yscale="log")


def _percentiles(axes: Axes, measured: Measured) -> None:
    slow = np.sort(measured.seconds[measured.came]) * _MILLISECONDS
    beyond = 1.0 - np.arange(len(slow)) / max(len(slow), 1)
    axes.plot(slow, beyond, color=COLORS[0])
    axes.set(title="How many took longer", xlabel="ms", ylabel="share", xscale="log", yscale="log")


def _bars(axes: Axes, title: str, bars: Iterable[tuple[str, float]]) -> None:
    named = list(bars)
    axes.barh(range(len(named)), [share for _, share in named], color=COLORS[2])
    axes.set_yticks(range(len(named)), [name for name, _ in named], fontsize="small")
    axes.invert_yaxis()
    axes.set(title=title, xlabel="share of slates")
