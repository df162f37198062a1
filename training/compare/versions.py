"""Two registered versions, judged anew on the same customers and the same days.

What was logged with each version was measured on its own held-out time, so it can't be
subtracted. Here the judged twins of both, neither of which saw anything after its own cutoff, are
judged on the days after the later of the two cutoffs.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from features.clock import Clock
from features.errors import InvalidArgument, LakeMissing, NotEnoughData
from features.lake import Lake
from serving.model.bundle import load_bundle
from training.churn.files import load_model
from training.churn.snapshots import Horizon, load_snapshots
from training.churn.train import held_out_times, outcome_of
from training.compare.churn import compare_churn
from training.compare.data import DataPair
from training.compare.found import Found, verdict
from training.compare.recommenders import compare_recommenders
from training.compare.report import Comparison, Paired
from training.compare.sides import Side, costs_of_both, facts_of, side_of
from training.costs import COST
from training.entries import figure
from training.evaluate import evaluate
from training.metrics import Interval
from training.recommend import open_history
from training.register import HIGH, JUDGED, LOW, RECOMMENDER, fetch
from training.reports import Figure
from training.span import Span, span_of
from training.tracking import Tracking


def compare_versions(
    tracking: Tracking, lake: Lake, clock: Clock, a: tuple[str, str], b: tuple[str, str]
) -> Comparison:
    """Two versions side by side.

    Args:
        tracking: Where they are registered.
        lake: What they are judged on.
        clock: Tells the time.
        a: Registered model and number.
        b: The other.

    Raises:
        InvalidArgument: They are not of one registered model.
        RegistryUnavailable: MLflow does not answer, or has no such version.
        BundleError: A version's files are damaged.
    """
    if a[0] != b[0]:
        both = f"{a[0]} and {b[0]}"
        reason, cure = "two models can't be compared", "give two versions of one model"
        raise InvalidArgument.of(both, field="version", reason=reason, cure=cure)
    data = DataPair(lake, side_of(tracking, a), side_of(tracking, b))
    try:
        span = _common_span(lake, clock, data)
        with TemporaryDirectory(prefix="homing-compare-") as name:
            folders = [
                fetch(tracking, one, JUDGED, Path(name) / side)
                for one, side in ((a, "a"), (b, "b"))
            ]
            rejudge = _rejudge_recommenders if a[0] == RECOMMENDER else _rejudge_churn
            found = rejudge(data, span, folders, clock.now())
    except (LakeMissing, NotEnoughData) as error:
        return _as_logged(a[0], data, error)
    return told(a[0], data, found, (span.cutoff, span.end))


def told(model: str, data: DataPair, found: Found, days: tuple[datetime, datetime]) -> Comparison:
    """What was found of two models, as a comparison.

    Args:
        model: The registered model.
        data: The two versions and their data.
        found: What judging both gave.
        days: On which they were judged: from, and before.
    """
    a, b = data.a, data.b
    by_name = {one.metric: one for one in found.metrics}
    mark, sentence = verdict(
        (a.name, b.name), by_name[found.headline[0]], found.customers, found.slices
    )
    return Comparison(
        a=a.name,
        b=b.name,
        model=model,
        mark=mark,
        verdict=sentence,
        note=(
            f"Both twins were judged on {days[0]:%Y-%m-%d} to {days[1]:%Y-%m-%d}, which neither "
            "had seen."
        ),
        customers=found.customers,
        headline=found.headline,
        metrics=found.metrics,
        slices=found.slices,
        slates=found.slates,
        calibration=found.calibration,
        drift=data.drift(found.drift),
        costs=costs_of_both(a, b),
        facts=facts_of(a, b),
    )


def _common_span(lake: Lake, clock: Clock, data: DataPair) -> Span:
    """The days that neither version has seen."""
    cutoff = max(data.a.cutoff, data.b.cutoff)
    span = span_of(lake, timedelta(0), clock)
    if cutoff >= span.end:
        message = f"no history after {cutoff:%Y-%m-%d}, which both versions have not seen"
        raise NotEnoughData(message)
    return replace(span, holdout=span.end - cutoff)


def _rejudge_recommenders(data: DataPair, span: Span, folders: list[Path], now: datetime) -> Found:
    first, second = (load_bundle(folder) for folder in folders)
    with open_history(data.lake, span, now) as history:
        held_out = history.held_out(span.cutoff, span.end)
        answers = tuple(evaluate(one, held_out, history.catalogue) for one in (first, second))
        return compare_recommenders(
            (data.a.name, data.b.name),
            (first, second),
            (answers[0], answers[1]),
            held_out,
            history.catalogue,
        )


def _rejudge_churn(data: DataPair, span: Span, folders: list[Path], now: datetime) -> Found:  # noqa: ARG001 - one form for both
    models = [load_model(folder) for folder in folders]
    says = models[1].manifest
    horizon = Horizon(timedelta(days=says.horizon_days), timedelta(days=says.active_days))
    times = held_out_times(span, horizon)
    read = load_snapshots(data.lake, times, horizon, span.lake_version, lambda _done, _total: None)
    snapshots = list(read.values())
    outcome = outcome_of(dict(zip("ab", models, strict=True)), snapshots)
    return compare_churn((data.a.name, data.b.name), outcome, snapshots, data.scores(models))


def _as_logged(model: str, data: DataPair, error: Exception) -> Comparison:
    """What was logged with each version, each on its own held-out time."""
    a, b = data.a, data.b
    mark, sentence = verdict((a.name, b.name), None, 0, ())
    names = dict.fromkeys(
        name for one in (a, b) for name in one.metrics if not name.startswith(COST)
    )
    return Comparison(
        a=a.name,
        b=b.name,
        model=model,
        mark=mark,
        verdict=sentence,
        note=f"As logged, each on its own held-out time, so not comparable: {error}.",
        metrics=tuple(
            Paired(
                metric=name,
                a=_logged(a, "a", name),
                b=_logged(b, "b", name),
                difference=None,
                mark="unknown",
            )
            for name in names
            if not name.endswith((LOW, HIGH))
        ),
        drift=data.drift(()),
        costs=costs_of_both(a, b),
        facts=facts_of(a, b),
    )


def _logged(side: Side, letter: str, name: str) -> Figure | None:
    """A metric with its interval, where that was logged."""
    if name not in side.metrics:
        return None
    low, high = (side.metrics.get(f"{name}{end}", float("nan")) for end in (LOW, HIGH))
    return figure(letter, name, Interval(side.metrics[name], low, high))
