"""A small shop whose challenger is honestly better, and how to spoil it in one place at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from features.event import Event
from serving.model.bundle import Bundle
from tests.shop import END, Shop, make_shop
from tests.unit.training.samples import table
from training.evaluate import Evaluation
from training.recommend import History, Judged, judge
from training.recommenders import als, item_knn, popularity
from training.recommenders.recipe import Recipe
from training.reports import Verdict
from training.span import Span
from training.verdicts import recommender_verdict

NOW = END + timedelta(hours=1)
HOLDOUT, GAP = timedelta(days=28), timedelta(days=1)
LATE = timedelta(days=14)
"""How long before held-out time the youngest customers came."""
GOOD = Recipe("als", als.AlsParams(factors=8, regularization=1.0, alpha=10.0, num_threads=1))
WEAK = Recipe("als", als.AlsParams(factors=1, iterations=1, num_threads=1))
KNN = Recipe("item_knn", item_knn.ItemKnnParams(num_threads=1))
POPULAR = Recipe("popularity", popularity.PopularityParams())

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """A history, and an honest training on it."""

    shop: Shop
    events: tuple[Event, ...]
    history: History
    judged: Judged
    final: Bundle

    def verdict(self, judged: Judged | None = None, final: Bundle | None = None) -> Verdict:
        """What the gate says, when one or the other is not what it was."""
        judged = judged or self.judged
        champion = "recommender/1" if judged.champion else None
        return recommender_verdict(self.history, judged, final or self.final, champion, ())

    @property
    def twin(self) -> Bundle:
        """The challenger's judged twin."""
        return self.judged.bundles[self.judged.chosen]

    def with_twin(self, twin: Bundle) -> Verdict:
        """What the gate says of another twin behind the honest metrics: it must see for itself."""
        bundles = {**self.judged.bundles, self.judged.chosen: twin}
        return self.verdict(replace(self.judged, bundles=bundles))

    def with_answers(self, question: str, change: Callable[[Evaluation], Evaluation]) -> Verdict:
        """What the gate says when the challenger had answered one question otherwise."""
        name, answers = self.judged.chosen, dict(self.judged.answers[self.judged.chosen])
        answers[question] = change(answers[question])
        return self.verdict(replace(self.judged, answers={**self.judged.answers, name: answers}))

    def contest(
        self, recipe: Recipe, champion: Bundle | None, twin: Bundle | None = None
    ) -> Verdict:
        """What the gate says of a recipe, or of a twin of it, that is judged for it."""
        span = self.history.span
        twin = twin or self.history.fit(recipe, span.fit_until)
        bundles = {"mine": twin, "popularity": self.history.fit(POPULAR, span.fit_until)}
        judged = judge(self.history, bundles, "mine", champion, lambda _done, _total: None)
        return self.verdict(judged, self.history.fit(recipe, span.end))


def make_world() -> World:
    """400 customers of four tastes, a quarter of whom came in the last days."""
    shop = make_shop(400, days=150, every=8.0, seed=3)
    span = Span(shop.start, END, HOLDOUT, 0, GAP)
    # One in four of every taste: tastes go round by four.
    young = {key for n, key in enumerate(shop.outside.values()) if n % 4 == n % 16 // 4}
    since = span.cutoff - LATE
    events = tuple(e for e in shop.events if e.customer not in young or e.occurred_at >= since)
    history = History(table(events), {item.id: item for item in shop.items}, span, NOW)
    twins = {
        "als": history.fit(GOOD, span.fit_until),
        "popularity": history.fit(POPULAR, span.fit_until),
    }
    champion = history.fit(WEAK, span.fit_until)
    judged = judge(history, twins, "als", champion, lambda _done, _total: None)
    return World(shop, events, history, judged, history.fit(GOOD, span.end))


def with_arrays(bundle: Bundle, **arrays: NDArray[Any] | None) -> Bundle:
    """A bundle with other arrays; None leaves one out."""
    kept = {**bundle.arrays, **arrays}
    return replace(bundle, arrays={name: one for name, one in kept.items() if one is not None})


def with_manifest(bundle: Bundle, **fields: object) -> Bundle:
    """A bundle whose manifest says something else."""
    return replace(bundle, manifest=msgspec.structs.replace(bundle.manifest, **fields))


def with_data(bundle: Bundle, **facts: object) -> Bundle:
    """A bundle that says something else of its data."""
    return with_manifest(bundle, data=msgspec.structs.replace(bundle.manifest.data, **facts))


def kept_rows(bundle: Bundle, rows: NDArray[np.int64]) -> Bundle:
    """A bundle of some of its items; every array has a row an item."""
    items = tuple(bundle.items[row] for row in rows)
    arrays = {name: array[rows] for name, array in bundle.arrays.items()}
    return with_manifest(replace(bundle, items=items, arrays=arrays), items=len(items))


def scaled(evaluation: Evaluation, factor: Floats | float) -> Evaluation:
    """An evaluation whose every metric is so many times what it was."""
    values = {name: one * factor for name, one in evaluation.per_customer.items()}
    return replace(evaluation, per_customer=values)
