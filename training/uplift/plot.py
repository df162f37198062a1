"""A campaign's report as one picture: Qini curves, and what each policy is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from matplotlib.figure import Figure as Plot

from training.plots import COLORS
from training.uplift.report import UpliftReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE: Final = (11.0, 4.0)
"""Inches."""


def uplift_plot(report: UpliftReport) -> Plot:
    """Left, what mailing the most promising first brings; right, what each policy is worth."""
    plot = Plot(figsize=SIZE, layout="constrained")
    left, right = plot.subplots(1, 2)
    _curves(left, report)
    _values(right, report)
    plot.suptitle(report.says, fontsize="medium", wrap=True)
    return plot


def _curves(axes: Axes, report: UpliftReport) -> None:
    for one, color in zip(report.qini, COLORS * 2, strict=False):
        shares = np.linspace(0, 1, len(one.curve))
        area = one.coefficient
        label = f"{one.arm}: {area.mean:.2g} [{area.low:.2g}, {area.high:.2g}]"
        axes.plot(shares, one.curve, color=color, label=label)
        axes.plot([0, 1], [0, one.curve[-1]], color=color, linewidth=1, linestyle="--")
    axes.set(
        title="Qini curves; dashed: mailed at random",
        xlabel="share mailed, the most promising first",
        ylabel=f"added {report.measure} a customer",
    )
    axes.legend(title="Qini coefficient, 95 %", loc="upper left")


def _values(axes: Axes, report: UpliftReport) -> None:
    places = np.arange(len(report.values))
    for shift, name, color in ((-0.12, "weighted", COLORS[4]), (0.12, "robust", COLORS[0])):
        found = [getattr(value, name) for value in report.values]
        middle = np.array([one.mean for one in found])
        ends = np.array([[one.low, one.high] for one in found]).T
        # A figure may lie a hair outside its own percentile interval.
        error = np.maximum(np.abs(ends - middle), 0)
        axes.errorbar(middle, places + shift, xerr=error, fmt="o", color=color, label=name)
    axes.set_yticks(places, [value.policy for value in report.values])
    axes.invert_yaxis()
    axes.set(
        title="What each policy is worth, 95 %", xlabel=f"{report.measure} a customer, less cost"
    )
    axes.legend()
