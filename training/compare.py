"""Two versions of one model side by side, judged anew on the same customers and the same days.

What was logged with each version was measured on its own held-out time, so it can't be
subtracted. Here the judged twins of both, neither of which saw anything after its own cutoff, are
judged on the days after the later of the two cutoffs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

from features.clock import Clock
from features.errors import InvalidArgument, LakeMissing, NotEnoughData
from features.lake import Lake
from serving.model.basket import baskets_of
from serving.model.bundle import Bundle, load_bundle
from serving.model.scoring import open_scorer
from serving.ranking.chain import Ask, rank_many
from serving.ranking.view import item_view
from training.churn.files import load_model
from training.churn.metrics import METRICS, difference, judge
from training.churn.snapshots import Horizon, load_snapshot
from training.churn.train import held_out_times, outcome_of
from training.entries import figure
from training.evaluate import PRIMARY, Evaluation, evaluate, question_blocks
from training.heldout import HeldOut, thinned
from training.metrics import Interval, bootstrap_difference, bootstrap_mean
from training.recommend import History, figure_name, open_history
from training.register import JUDGED, RECOMMENDER, fetch, version_name
from training.reports import Comparison, Figure, Paired
from training.span import Span, span_of
from training.tracking import Tracking

OVERLAP_CUSTOMERS: Final = 500
"""Customers whose slates are laid beside each other."""
Pair = tuple[str, str]
Found = tuple[tuple[Paired, ...], Figure | None]


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
    tags = [dict(tracking.version(*one).tags) for one in (a, b)]
    facts = _facts(tracking, a, b, tags)
    try:
        span = _common_span(lake, clock, tags)
        with TemporaryDirectory(prefix="homing-compare-") as name:
            folders = [
                fetch(tracking, one, JUDGED, Path(name) / side)
                for one, side in ((a, "a"), (b, "b"))
            ]
            rejudge = _rejudge_recommenders if a[0] == RECOMMENDER else _rejudge_churn
            metrics, overlap = rejudge(lake, span, folders, clock.now())
        note = (
            f"both twins judged on {span.cutoff:%Y-%m-%d} to {span.end:%Y-%m-%d}, "
            "which neither had seen"
        )
    except (LakeMissing, NotEnoughData, KeyError) as error:
        metrics, overlap = _logged(tracking, a, b), None
        note = f"as logged, each on its own held-out time, so not comparable: {error}"
    return Comparison(
        a=version_name(*a),
        b=version_name(*b),
        facts=facts,
        metrics=metrics,
        overlap=overlap,
        note=note,
        page=None,
    )


def _common_span(lake: Lake, clock: Clock, tags: list[dict[str, str]]) -> Span:
    """The days that neither version has seen."""
    cutoff = max(datetime.fromisoformat(one["data.cutoff"]) for one in tags)
    span = span_of(lake, timedelta(0), clock)
    if cutoff >= span.end:
        message = f"no history after {cutoff:%Y-%m-%d}, which both versions have not seen"
        raise NotEnoughData(message)
    return replace(span, holdout=span.end - cutoff)


def _facts(
    tracking: Tracking, a: tuple[str, str], b: tuple[str, str], tags: list[dict[str, str]]
) -> dict[str, Pair]:
    """What each is and came from, where it says anything."""
    known: list[dict[str, str]] = []
    for version, of_version in zip((a, b), tags, strict=True):
        entry = tracking.version(*version)
        with tracking.client() as client:
            params = dict(client.get_run(entry.run_id).data.params) if entry.run_id else {}
        aliases = ", ".join(entry.aliases)
        known.append({"aliases": aliases, **of_version, **params})
    names = dict.fromkeys(name for one in known for name in one)
    return {name: (known[0].get(name, ""), known[1].get(name, "")) for name in names}


def _rejudge_recommenders(lake: Lake, span: Span, folders: list[Path], now: datetime) -> Found:
    bundles = [load_bundle(folder) for folder in folders]
    with open_history(lake, span, now) as history:
        held_out = history.held_out(span.cutoff, span.end)
        answers = [evaluate(bundle, held_out, history.catalogue) for bundle in bundles]
        overlap = _overlap(bundles, thinned(held_out, OVERLAP_CUSTOMERS), history)
    metrics = [
        _paired(figure_name(question, metric), [one[question] for one in answers], metric)
        for question in answers[0]
        for metric in answers[0][question].summary
    ]
    return tuple(metrics), overlap


def _paired(name: str, evaluations: list[Evaluation], metric: str) -> Paired:
    sides = [figure(side, name, one.summary[metric]) for side, one in zip("ab", evaluations)]  # noqa: B905 - two and two
    gap = None
    if all(metric in one.per_customer for one in evaluations):
        values = [one.per_customer[metric] for one in evaluations]
        gap = figure("b - a", name, bootstrap_difference(values[1], values[0]))
    return Paired(metric=name, a=sides[0], b=sides[1], difference=gap)


def _overlap(bundles: list[Bundle], held_out: HeldOut, history: History) -> Figure:
    """The mean share of items that both would show to a customer."""
    block = next(one for one in question_blocks() if one.name == PRIMARY)
    asks = [Ask(block, history=one) for one in held_out.histories]
    slates: list[list[set[str]]] = []
    for bundle in bundles:
        view = item_view(bundle.items, history.catalogue, bundle.popularity)
        baskets = baskets_of(held_out.histories, bundle.index, held_out.at)
        ranked = rank_many(view, open_scorer(bundle).score(baskets), asks, held_out.at)
        slates.append([{bundle.items[row] for row in rows} for rows in ranked])
    shares = [len(one & two) / block.size for one, two in zip(*slates, strict=True)]
    return figure("a and b", f"slates in common, of {block.size}", bootstrap_mean(np.array(shares)))


def _rejudge_churn(lake: Lake, span: Span, folders: list[Path], now: datetime) -> Found:  # noqa: ARG001 - one form for both
    models = {side: load_model(folder) for side, folder in zip("ab", folders, strict=True)}
    says = models["b"].manifest
    horizon = Horizon(timedelta(days=says.horizon_days), timedelta(days=says.active_days))
    times = held_out_times(span, horizon)
    snapshots = [load_snapshot(lake, at, horizon, span.lake_version) for at in times]
    outcome = outcome_of(models, snapshots)
    found = judge(outcome)
    metrics = [
        Paired(
            metric=metric,
            a=figure("a", metric, found["a"][metric]),
            b=figure("b", metric, found["b"][metric]),
            difference=figure("b - a", metric, difference(outcome, "b", "a", metric)),
        )
        for metric in METRICS
    ]
    return tuple(metrics), None


def _logged(tracking: Tracking, a: tuple[str, str], b: tuple[str, str]) -> tuple[Paired, ...]:
    """What was logged with each version, without intervals."""
    sides: list[Mapping[str, float]] = []
    for version in (a, b):
        run = tracking.version(*version).run_id
        with tracking.client() as client:
            sides.append(client.get_run(run).data.metrics if run else {})
    nothing = float("nan")

    def of(side: int, name: str) -> Figure | None:
        value = sides[side].get(name)
        return (
            None if value is None else figure("ab"[side], name, Interval(value, nothing, nothing))
        )

    names = dict.fromkeys(name for one in sides for name in one)
    return tuple(
        Paired(metric=name, a=of(0, name), b=of(1, name), difference=None) for name in names
    )
