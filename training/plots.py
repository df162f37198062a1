"""Plots of how models did, drawn without a screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from matplotlib.figure import Figure as Plot

from training.churn.metrics import Outcome, bin_starts
from training.metrics import Interval
from training.reports import Figure

SIZE: Final = (7.0, 4.0)
"""Inches."""
COLORS: Final = ("#2f6f8f", "#d97b29", "#6a9a4f", "#8f4f7a", "#7a7a7a")
DRIVERS: Final = 12
"""Drivers that are drawn."""


def metric_bars(figures: Sequence[Figure], metrics: Sequence[str]) -> Plot:
    """Bars of some metrics, one a model, with their intervals.

    Args:
        figures: Of all models.
        metrics: Names of those that are drawn, in order.
    """
    plot = Plot(figsize=SIZE, layout="constrained")
    axes = plot.add_subplot()
    models = list(dict.fromkeys(one.model for one in figures))
    width = 0.8 / max(len(models), 1)
    for place, model in enumerate(models):
        known = {one.metric: one for one in figures if one.model == model}
        shown = [(at, known[name]) for at, name in enumerate(metrics) if name in known]
        values = np.array([one.value for _, one in shown])
        ends = np.array([[one.low, one.high] for _, one in shown]).reshape(-1, 2).T
        axes.bar(
            [at + width * place for at, _ in shown],
            values,
            width,
            yerr=np.maximum(np.abs(ends - values), 0),
            color=COLORS[place % len(COLORS)],
            label=model,
            capsize=2,
        )
    axes.set_xticks([at + width * (len(models) - 1) / 2 for at in range(len(metrics))], metrics)
    axes.set_title("Held-out time, with 95 % intervals")
    axes.legend()
    return plot


def reliability(outcome: Outcome) -> Plot:
    """How often what was said came true, in bins of equal size: honest is on the diagonal."""
    plot = Plot(figsize=SIZE, layout="constrained")
    axes = plot.add_subplot()
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=1, linestyle="--")
    top = 0.0
    for place, (model, said) in enumerate(outcome.said.items()):
        x, y = reliability_points(said, outcome.happened)
        top = max(top, *x, *y)
        axes.plot(x, y, marker="o", color=COLORS[place % len(COLORS)], label=model)
    axes.set(xlabel="said", ylabel="came", title="Reliability on held-out time")
    axes.set_xlim(0, min(1.0, top * 1.1))
    axes.set_ylim(0, min(1.0, top * 1.1))
    axes.legend()
    return plot


def lift_bars(lifts: Sequence[Interval]) -> Plot:
    """How many times more often it came in each tenth of customers than among all.

    Args:
        lifts: The tenth that was told the most first.
    """
    plot = Plot(figsize=SIZE, layout="constrained")
    axes = plot.add_subplot()
    values = np.array([one.mean for one in lifts])
    ends = np.array([[one.low, one.high] for one in lifts]).T
    places = np.arange(1, len(lifts) + 1)
    axes.bar(places, values, yerr=np.abs(ends - values), color=COLORS[0], capsize=2)
    axes.axhline(1.0, color="#999999", linewidth=1, linestyle="--")
    axes.set(xlabel="tenth, the most told first", ylabel="lift", title="Lift on held-out time")
    axes.set_xticks(places)
    return plot


def driver_bars(drivers: Mapping[str, float]) -> Plot:
    """What moves a model most.

    Args:
        drivers: Column → mean of what it adds to the log-odds, either way; the strongest first.
    """
    plot = Plot(figsize=SIZE, layout="constrained")
    axes = plot.add_subplot()
    names = list(drivers)[:DRIVERS]
    axes.barh(names[::-1], [drivers[name] for name in names[::-1]], color=COLORS[0])
    axes.set(xlabel="mean of |contribution to the log-odds|", title="Drivers on held-out time")
    return plot


def reliability_points(
    said: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    happened: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
) -> tuple[list[float], list[float]]:
    """Mean said and share that came, a bin; bins are those of the calibration error."""
    order = np.argsort(said, kind="stable")
    bins = np.split(order, bin_starts(said[order])[1:])
    return (
        [float(said[rows].mean()) for rows in bins],
        [float(happened[rows].mean()) for rows in bins],
    )
