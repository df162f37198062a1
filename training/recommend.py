"""Makes recommenders of a history, and judges them on held-out time.

Time is cut twice. What is fitted before the *validation* time chooses the recipes there
(`training.choice`); what is fitted before the *held-out* time, which follows, is judged there and
passes the gate or not. So the time that judges has chosen nothing. What will serve is the chosen
recipe, fitted once more on everything up to now: newer items, same recipe.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec

from features.engine import declared, open_engine
from features.item import Item
from features.lake import Lake
from features.progress import Advance
from features.tables import items_of
from serving.model.bundle import Bundle
from serving.model.weighting import Weighting
from training.dataset import Dataset, load_dataset
from training.evaluate import PRIMARY, Evaluation, evaluate
from training.gate.contest import GATE_METRIC
from training.gate.history import newcomers
from training.heldout import HeldOut
from training.recommenders.blend import Blend
from training.recommenders.recipe import Recipe
from training.span import Span
from training.split import load_held_out

if TYPE_CHECKING:
    import ibis

POPULARITY: Final = "popularity"
"""What every recommender must beat while there is no champion."""

Answers = Mapping[str, Evaluation]
"""Question → how it was answered."""


@dataclass(frozen=True, eq=False)
class Judged:
    """What held-out time said.

    Attributes:
        chosen: The algorithm that validation time preferred.
        chosen_on: `validation`, or `heldout` when history is too short for both.
        bundles: Algorithm → bundle fitted before the cutoff.
        answers: Algorithm → question → evaluation; `champion` too, when there is one.
        champion: The champion's twin; None without one.
        held_out: What all were judged on.
    """

    chosen: str
    chosen_on: str
    bundles: Mapping[str, Bundle]
    answers: Mapping[str, Answers]
    champion: Bundle | None
    held_out: HeldOut

    @property
    def customers(self) -> int:
        """On how many customers the gate's question was asked."""
        return len(self.answers[self.chosen][PRIMARY].customers)


CHAMPION: Final = "champion"


class History:
    """What the lake holds, opened for one training.

    Args:
        events: Of one version.
        items: The newest catalogue.
        span: The time that is looked at.
        created_at: Goes into every manifest; aware, UTC.
    """

    def __init__(
        self, events: ibis.Table, items: Mapping[str, Item], span: Span, created_at: datetime
    ) -> None:
        self._events = events
        # Today's stock tells what sold out since; what was in stock then is not known.
        on_sale = {
            name: msgspec.structs.replace(item, in_stock=True) for name, item in items.items()
        }
        self.catalogue = on_sale or None
        self.span = span
        self.created_at = created_at
        self._datasets: dict[datetime, Dataset] = {}

    def fit(self, recipe: Recipe, at: datetime) -> Bundle:
        """What a recipe makes of everything before a moment."""
        return recipe.fit(self.dataset(at), self.created_at)

    def fit_all(
        self, recipes: Mapping[str, Recipe], at: datetime, advance: Advance
    ) -> dict[str, Bundle]:
        """What each recipe makes of everything before a moment, under the recipe's name."""
        made: list[tuple[Recipe, Bundle]] = []
        for done, recipe in enumerate(recipes.values(), start=1):
            made.append((recipe, self._fit(recipe, at, made)))
            advance(done, len(recipes))
        return {name: bundle for name, (_, bundle) in zip(recipes, made, strict=True)}

    def held_out(self, at: datetime, until: datetime, *, most: int | None = None) -> HeldOut:
        """What customers, or so many of them, did before a moment and bought until another."""
        return load_held_out(self._events, at, until, most=most)

    def newcomers(self, since: datetime) -> frozenset[str]:
        """Items that first came up at a moment or later."""
        return newcomers(self._events, since)

    def dataset(self, at: datetime) -> Dataset:
        """The matrix of everything before a moment; read once a moment."""
        if at not in self._datasets:
            self._datasets[at] = load_dataset(
                self._events, Weighting(), at, lake_version=self.span.lake_version
            )
        return self._datasets[at]

    def _fit(self, recipe: Recipe, at: datetime, made: Sequence[tuple[Recipe, Bundle]]) -> Bundle:
        """As `fit`; a blend's parts are taken from what was made already."""
        if not isinstance(recipe, Blend):
            return self.fit(recipe, at)
        parts = [
            next((bundle for known, bundle in made if known == one.recipe), None)
            or self.fit(one.recipe, at)
            for one in recipe.params.ingredients
        ]
        return recipe.mix(parts, self.dataset(at), self.created_at)


@contextmanager
def open_history(lake: Lake, span: Span, created_at: datetime) -> Iterator[History]:
    """The lake's history at the span's version.

    Raises:
        LakeMissing: There is none.
        LakeUnavailable: It can't be read.
    """
    engine = open_engine()
    with closing(engine.con), declared(lake.root):
        items = {item.id: item for item in items_of(lake.items(engine).to_pyarrow())}
        yield History(lake.events(engine, span.lake_version), items, span, created_at)


def judge(
    history: History,
    bundles: Mapping[str, Bundle],
    chosen: str | None,
    champion: Bundle | None,
    advance: Advance,
) -> Judged:
    """All bundles on held-out time.

    Args:
        history: Of the lake.
        bundles: Algorithm → bundle fitted before the cutoff.
        chosen: The challenger's algorithm; held-out time itself chooses when None.
        champion: The champion's twin that was fitted before its own held-out time; all are
            judged on days that it has not seen either.
        advance: Told of bundles judged, and of all.

    Raises:
        NotEnoughData: Held-out time has too few customers.
    """
    span = history.span
    if champion is not None:
        # A twin that was held out for fewer days may know some of these already.
        span = span.unseen_since(champion.manifest.data.as_of)
    held_out = history.held_out(span.cutoff, span.end)
    judged = {**bundles, **({CHAMPION: champion} if champion is not None else {})}
    answers: dict[str, Answers] = {}
    for done, (name, bundle) in enumerate(judged.items(), start=1):
        answers[name] = evaluate(bundle, held_out, history.catalogue)
        advance(done, len(judged))
    best = chosen or max(bundles, key=lambda name: _score(answers[name]))
    return Judged(
        chosen=best,
        chosen_on="heldout" if chosen is None else "validation",
        bundles=bundles,
        answers=answers,
        champion=champion,
        held_out=held_out,
    )


def figure_name(question: str, metric: str) -> str:
    """A metric's name among those of all questions, like `explore/ndcg_20`."""
    return f"{question}/{metric}"


def means(answers: Answers) -> dict[str, float]:
    """Figure name → mean over customers."""
    return {
        figure_name(question, metric): mean
        for question, evaluation in answers.items()
        for metric, mean in evaluation.means().items()
    }


def with_metrics(bundle: Bundle, metrics: Mapping[str, float]) -> Bundle:
    """The bundle, whose manifest says how it, or its twin, did on held-out time."""
    manifest = msgspec.structs.replace(bundle.manifest, metrics=dict(metrics))
    return replace(bundle, manifest=manifest)


def _score(answers: Answers) -> float:
    return answers[PRIMARY].summary[GATE_METRIC].mean
