"""`homing uplift`: reads a campaign, and tells what it says."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from rich.console import RenderableType
from rich.table import Table

from features.errors import InvalidArgument
from features.progress import Stage
from training.metrics import Interval
from training.uplift.campaign import Campaign
from training.uplift.plot import uplift_plot
from training.uplift.report import UpliftReport, analyse

DRAWN: Final = (".png", ".svg", ".pdf")
NOBODY: Final = "nobody gets mail"


def run_uplift(
    campaign: Campaign, costs: Sequence[str], plot: Path | None, stage: Stage
) -> UpliftReport:
    """Judge a campaign and draw it.

    Args:
        campaign: As it was read.
        costs: Like `womens=0.02`.
        plot: Where to draw; None for no picture.
        stage: Shows how far it is.

    Raises:
        InvalidArgument: A cost can't be read, or the picture not be written.
    """
    told = dict(map(_cost, costs))
    if plot is not None:
        _claim(plot)
    with stage("learning who gains from what") as advance:
        report = analyse(campaign, advance, costs=told)
    if plot is not None:
        uplift_plot(report).savefig(plot)
    return report


def _cost(text: str) -> tuple[str, float]:
    arm, _, written = text.rpartition("=")
    try:
        amount = float(written)
    except ValueError:
        amount = math.nan
    if not math.isfinite(amount):
        cure = "write ARM=AMOUNT, like --cost womens=0.02"
        raise InvalidArgument.of(text, field="cost", reason="not a cost", cure=cure)
    return arm, amount


def _claim(plot: Path) -> None:
    """Make the picture's file, so that a path that can't be used is told before the work."""
    try:
        if plot.suffix not in DRAWN:
            cure = f"name a file that ends in {', '.join(DRAWN)}"
            raise InvalidArgument.of(str(plot), field="plot", reason="no such picture", cure=cure)
        plot.touch()
    except OSError as error:
        cure = "name a file in a folder that can be written"
        reason = str(error.strerror)
        raise InvalidArgument.of(str(plot), field="plot", reason=reason, cure=cure) from error


def uplift_lines(report: UpliftReport) -> Iterable[RenderableType]:
    """The report as a person reads it."""
    learners = ", ".join(f"{name} ({folds})" for name, folds in report.learners.items())
    yield (
        f"{report.customers:,} customers, {report.features} features; "
        f"learners by cross-fitting: {learners}"
    )
    for column, reason in report.left_out.items():
        yield f"  left out: {column}, {reason}"
    yield _arms_table(report)
    yield _values_table(report)
    yield _groups_table(report)
    yield _deciles_table(report)
    yield report.says


def _arms_table(report: UpliftReport) -> Table:
    effects: Mapping[str, Interval] = {one.arm: one.effect for one in report.qini}
    areas: Mapping[str, Interval] = {one.arm: one.coefficient for one in report.qini}
    table = _table(
        "Arms", "arm", "customers", report.measure, "effect", "Qini coefficient", "chosen for"
    )
    for arm in report.arms:
        table.add_row(
            arm.name,
            f"{arm.customers:,}",
            f"{arm.mean:.4f}",
            _shown(effects.get(arm.name)),
            _shown(areas.get(arm.name)),
            f"{arm.chosen:.0%}",
        )
    return table


def _values_table(report: UpliftReport) -> Table:
    table = _table(
        "What each policy is worth a customer",
        "policy",
        "inverse propensity",
        "doubly robust",
        "choosing gains",
    )
    for value in report.values:
        name = NOBODY if value.policy == report.control else value.policy
        gain = None if value is report.values[0] else value.gain_robust
        table.add_row(name, _shown(value.weighted), _shown(value.robust), _shown(gain))
    return table


def _groups_table(report: UpliftReport) -> Table:
    table = _table("For whom which mail, roughly", "who", "mail", "customers", "agree", "gain")
    for group in report.groups:
        mail = "none" if group.arm == report.control else group.arm
        row = (mail, f"{group.customers:,}", f"{group.agree:.0%}", f"{group.gain:+.4f}")
        table.add_row(group.who, *row)
    return table


def _deciles_table(report: UpliftReport) -> Table:
    arms = [one.arm for one in report.qini]
    table = _table("Uplift by decile of what was predicted: predicted, came", "decile", *arms)
    for place, tenths in enumerate(
        zip(*(one.deciles for one in report.qini), strict=True), start=1
    ):
        table.add_row(str(place), *(f"{one.said:+.4f}  {_shown(one.came)}" for one in tenths))
    return table


def _table(title: str, first: str, *others: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right")
    return table


def _shown(found: Interval | None) -> str:
    return "" if found is None else f"{found.mean:.4f} [{found.low:.4f}, {found.high:.4f}]"
