"""Reports as a person reads them on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC

from rich.table import Table

from training.metrics import CUTOFFS
from training.reports import (
    Comparison,
    Evidence,
    Figure,
    Promotions,
    RetrainReport,
    Trained,
    TrainReport,
)


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
    short = tuple(f"_{k}" for k in CUTOFFS if k != max(CUTOFFS))
    return [figure for figure in figures if not figure.metric.endswith(short)]


def trained_lines(trained: Trained) -> list[str]:
    """What was registered, and what the gate said."""
    verdict = trained.verdict
    word = "passed" if verdict.passed else "refused"
    return [
        f"{trained.version} ({trained.algorithm}) in {trained.seconds:.1f} s",
        f"gate {word}: {verdict.reason}",
    ]


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


def comparison_table(comparison: Comparison) -> Table:
    """Metrics of two versions side by side."""
    title = f"{comparison.a} and {comparison.b}"
    table = Table(title=title, title_justify="left", caption=comparison.note)
    table.add_column("metric")
    for name in (comparison.a, comparison.b, "difference"):
        table.add_column(name, justify="right")
    for name, (a, b) in comparison.facts.items():
        table.add_row(name, a, b, "")
    for paired in comparison.metrics:
        figures = (paired.a, paired.b, paired.difference)
        table.add_row(paired.metric, *(interval(f) if f else "" for f in figures))
    if comparison.overlap is not None:
        table.add_row("overlap of slates", "", "", interval(comparison.overlap))
    return table
