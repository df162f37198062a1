"""Reports as a person reads them on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC

from rich.console import RenderableType
from rich.table import Table

from training.compare.report import Comparison, Paired, Slates
from training.metrics import CUTOFFS
from training.reports import (
    Evidence,
    Figure,
    Promotions,
    RetrainReport,
    Trained,
    TrainReport,
    Tuned,
)

_SHORT = tuple(f"_{k}" for k in CUTOFFS if k != max(CUTOFFS))
"""How the names of metrics end whose slates are shorter than the longest that is judged."""


def interval(figure: Figure) -> str:
    """A metric with its 95 % interval."""
    return f"{figure.value:.4f} [{figure.low:.4f}, {figure.high:.4f}]"


def figures_table(title: str, figures: Sequence[Figure]) -> Table:
    """One row a metric, one column a model, each cell a mean with its interval.

    Args:
        title: Above the table.
        figures: What was measured.
    """
    table = Table(title=title, title_justify="left", caption="mean [95 % interval]")
    table.add_column("metric", no_wrap=True)
    models = list(dict.fromkeys(figure.model for figure in figures))
    for model in models:
        table.add_column(model, justify="right")
    cells = {(figure.model, figure.metric): interval(figure) for figure in figures}
    for metric in dict.fromkeys(figure.metric for figure in figures):
        table.add_row(metric, *(cells.get((model, metric), "") for model in models))
    return table


def at_longest(figures: Iterable[Figure]) -> list[Figure]:
    """Without the metrics of slates that are shorter than the longest that was judged."""
    return [figure for figure in figures if not figure.metric.endswith(_SHORT)]


def trained_lines(trained: Trained) -> list[str]:
    """What was registered, and what the gate said."""
    verdict = trained.verdict
    word = "passed" if verdict.passed else "refused"
    return [
        *(_tuned_line(tuned, verdict.metric) for tuned in trained.tuned),
        f"{trained.version} ({trained.algorithm}) in {trained.seconds:.1f} s",
        *_churn_line(trained),
        f"gate {word}: {verdict.reason}",
    ]


def _churn_line(trained: Trained) -> list[str]:
    if trained.churns is None:
        return []
    ahead, active = trained.churns
    return [f"churn is no purchase within {ahead} days, of who bought in the {active} before"]


def _tuned_line(tuned: Tuned, metric: str) -> str:
    return (
        f"tuned {tuned.algorithm}: {metric} {tuned.default:.4f} → {tuned.best:.4f} on validation "
        f"time, {tuned.trials:,} trials ({tuned.pruned:,} pruned) in {tuned.seconds:.1f} s"
    )


def train_lines(report: TrainReport) -> list[str]:
    """What `train` did, in lines."""
    lines = [
        (
            f"events up to {report.as_of:%Y-%m-%d %H:%M}, lake version {report.lake_version}; "
            f"judged on {report.customers:,} customers from {report.cutoff:%Y-%m-%d} on"
        ),
        *trained_lines(report.recommender),
    ]
    if report.churn is not None:
        lines += trained_lines(report.churn)
    if report.churn_skipped is not None:
        lines.append(f"no churn model: {report.churn_skipped}")
    return lines


def retrain_lines(report: RetrainReport) -> list[str]:
    """What `retrain` did, in lines."""
    lines = train_lines(report.trained)
    lines += [
        f"champion: {promotion.version} (before: {promotion.former or 'none'})"
        for promotion in report.promoted
    ]
    lines += [f"not promoted: {version}" for version in report.refused]
    if report.published is not None:
        published = report.published
        lines.append(
            f"published {published.slates:,} slates and {published.scored:,} churn scores "
            f"for {published.customers:,} customers in {published.seconds:.1f} s"
        )
        if published.unread is not None:
            lines.append(f"no churn scores: {published.unread}")
    return lines


def promotions_table(promotions: Promotions) -> Table:
    """Every change of a champion, the newest first."""
    caption = f"champion: {promotions.champion or 'none'}"
    table = Table(title=f"Promotions of {promotions.model}", title_justify="left", caption=caption)
    for name in ("when (UTC)", "champion", "before", "by", "evidence", "reason"):
        table.add_column(name, no_wrap=name in {"when (UTC)", "champion", "before"})
    for version, change in promotions.changes:
        table.add_row(
            f"{change.at.astimezone(UTC):%Y-%m-%d %H:%M}",
            version,
            change.former or "",
            f"{change.by}, {change.command}{', by force' if change.forced else ''}",
            _evidence(change.evidence),
            change.reason,
        )
    return table


def _evidence(found: Evidence | None) -> str:
    """What the gate had found, in a few words."""
    if found is None:
        return "never judged"
    failed = f", failed: {', '.join(found.failed)}" if found.failed else ""
    told = f"{found.passed} checks passed{failed}"
    if found.difference is None or found.low is None or found.high is None:
        return told
    gap = f"{found.difference:+.4f} [{found.low:+.4f}, {found.high:+.4f}]"
    return f"{found.metric} {gap} against {found.against}; {told}"


def comparison_lines(comparison: Comparison) -> list[RenderableType]:
    """Two versions side by side: the verdict, then what stands behind it."""
    lines: list[RenderableType] = [comparison.verdict, comparison.note]
    longest = [(one.metric, one) for one in comparison.metrics if not one.metric.endswith(_SHORT)]
    lines += [_paired_table(comparison, "metric", longest)]
    if comparison.slices:
        named = [(f"{one.name} ({one.customers:,})", one.found) for one in comparison.slices]
        lines += [_paired_table(comparison, f"{comparison.headline[0]} of", named)]
    if comparison.slates is not None:
        lines += [*_slates_lines(comparison.slates)]
    if comparison.drift is not None:
        moved = [one for one in comparison.drift.found if one.movement != "stable"]
        told = ", ".join(f"{one.name} ({one.movement}, {one.psi:.2f})" for one in moved)
        lines += [f"data that moved: {told or 'nothing beyond noise'}"]
    differing = {
        name: pair
        for name, pair in comparison.facts.items()
        if pair[0] != pair[1] and not name.startswith("gate.")
    }
    lines += [f"{name}: {a or '–'} → {b or '–'}" for name, (a, b) in differing.items()]
    lines += [f"page: {comparison.page}"] if comparison.page else []
    lines += [f"kept in MLflow as {comparison.logged}"] if comparison.logged else []
    return lines


def _paired_table(comparison: Comparison, first: str, named: Sequence[tuple[str, Paired]]) -> Table:
    """One row a metric or a slice: both versions, the difference and what it says."""
    table = Table(caption="mean [95 % interval]")
    table.add_column(first)
    for name in (comparison.a, comparison.b, "difference"):
        table.add_column(name, justify="right")
    table.add_column("")
    for name, paired in named:
        figures = (paired.a, paired.b, paired.difference)
        cells = (interval(figure) if figure else "" for figure in figures)
        table.add_row(name, *cells, "" if paired.mark in {"level", "unknown"} else paired.mark)
    return table


def _slates_lines(slates: Slates) -> list[str]:
    share, gained, lost = slates.overlap.share, slates.gained[:3], slates.lost[:3]
    across = f"[{share.low:.0%}, {share.high:.0%}], over {slates.customers:,} customers"
    lines = [f"slates of {slates.overlap.size} have {share.value:.0%} in common {across}"]
    for word, items in (("more", gained), ("fewer", lost)):
        told = ", ".join(f"{one.title} ({one.a:.0%} → {one.b:.0%})" for one in items)
        lines += [f"shown to {word}: {told}"] if told else []
    return lines
