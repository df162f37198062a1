"""Two recommenders on the same held-out customers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from features.item import Item
from serving.model.bundle import Bundle
from serving.model.scoring import open_scorer
from training.compare.drift import drifted_items, drifted_values
from training.compare.found import Found, pair, sliced
from training.compare.report import Drifted, Paired, Slice
from training.compare.slates import compare_slates, slates_beside
from training.evaluate import PRIMARY, REPEAT, Evaluation
from training.gate.contest import GATE_METRIC
from training.gate.slices import slices_of
from training.heldout import HeldOut, thinned
from training.judging import scored
from training.metrics import bootstrap
from training.recommend import Answers, figure_name

HEADLINE: Final = (
    figure_name(PRIMARY, GATE_METRIC),
    figure_name(PRIMARY, "recall_20"),
    figure_name(PRIMARY, "hit_rate_4"),
    figure_name(REPEAT, GATE_METRIC),
    figure_name(PRIMARY, "coverage_20"),
)
"""What is told first; the first of them is what the gate asks."""
SLATES: Final = 500
"""Customers whose slates are laid beside each other, evenly spread over all."""

Floats = NDArray[np.float64]


def compare_recommenders(
    names: tuple[str, str],
    bundles: tuple[Bundle, Bundle],
    answers: tuple[Answers, Answers],
    held_out: HeldOut,
    catalogue: Mapping[str, Item] | None,
) -> Found:
    """All that held-out time says of two recommenders.

    Args:
        names: Of a, of b.
        bundles: Their twins, neither of which saw held-out time.
        answers: How each answered the questions, on these very customers.
        held_out: The customers.
        catalogue: Item id → item.
    """
    metrics = tuple(
        paired
        for question in answers[0]
        for paired in _paired(question, answers[0][question], answers[1][question])
    )
    some = thinned(held_out, SLATES)
    groups = slices_of(some, catalogue)
    known = {one.metric for one in metrics}
    return Found(
        customers=len(answers[0][PRIMARY].customers),
        headline=tuple(name for name in HEADLINE if name in known),
        metrics=metrics,
        slices=_slices((answers[0][PRIMARY], answers[1][PRIMARY]), held_out, catalogue),
        slates=compare_slates(slates_beside(bundles, some, catalogue), groups, catalogue),
        drift=_drift(names, bundles, some),
    )


def _paired(question: str, a: Evaluation, b: Evaluation) -> list[Paired]:
    """Every metric that both were judged by; differences from the same resamples of customers."""
    gaps = bootstrap(
        {
            metric: b.per_customer[metric] - values
            for metric, values in a.per_customer.items()
            if metric in b.per_customer
        }
    )
    return [
        pair(figure_name(question, metric), (one, b.summary[metric]), gaps.get(metric))
        for metric, one in a.summary.items()
        if metric in b.summary and np.isfinite([one.mean, b.summary[metric].mean]).any()
    ]


def _slices(
    sides: tuple[Evaluation, Evaluation], held_out: HeldOut, catalogue: Mapping[str, Item] | None
) -> tuple[Slice, ...]:
    a, b = (side.per_customer[GATE_METRIC] for side in sides)
    masks = slices_of(held_out.of(sides[0].customers), catalogue)
    return sliced(figure_name(PRIMARY, GATE_METRIC), a, b, masks)


def _drift(
    names: tuple[str, str], bundles: tuple[Bundle, Bundle], held_out: HeldOut
) -> tuple[Drifted, ...]:
    """What each model scores best for the same customers at the ends of both histories."""
    found = [drifted_items(*bundles)]
    ends = [bundle.manifest.data.as_of for bundle in bundles]
    for name, bundle in zip(names, bundles, strict=True):
        of_each = {end: _best_scores(bundle, held_out, end) for end in dict.fromkeys(ends)}
        first, second = (of_each[end] for end in ends)
        found.append(drifted_values(f"best score by {name}", first, second, score=True))
    return tuple(found)


def _best_scores(bundle: Bundle, held_out: HeldOut, end: datetime) -> Floats:
    """Of each customer as of an earlier moment, as far as what is known of T reaches back."""
    before = held_out.seen.where(held_out.seen.times < end.timestamp())
    baskets = replace(held_out, at=end, seen=before).baskets(bundle.index)
    best = [scores.max(axis=1) for _, scores in scored(open_scorer(bundle), baskets)]
    return np.concatenate(best, dtype=np.float64)
