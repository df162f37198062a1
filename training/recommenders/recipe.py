"""Recipes: what a model is made by, and the algorithms that there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from serving.model.bundle import Bundle
from serving.model.manifest import Manifest, Param, Part
from serving.model.weighting import UNFADING, Weighting
from training.dataset import Dataset
from training.recommenders import (
    als,
    ease,
    graph_filter,
    item_knn,
    personal,
    popularity,
    transition,
)

if TYPE_CHECKING:
    from optuna import Trial


@dataclass(frozen=True)
class Algorithm:
    """One way to make a recommender, all in one file of this folder.

    Attributes:
        params: Frozen dataclass of parameters, whose defaults are a sound start for any shop.
        fit: Dataset, parameters and time of creation → bundle.
        suggest: Draws parameters from the space worth searching.
        weighting: Where its default recipe starts.
    """

    params: type[Any]
    fit: Callable[[Dataset, Any, datetime], Bundle]
    suggest: Callable[[Trial], Any]
    weighting: Weighting = Weighting()  # noqa: RUF009 - frozen


ALGORITHMS: Final[Mapping[str, Algorithm]] = {
    "popularity": Algorithm(popularity.PopularityParams, popularity.fit, popularity.suggest),
    "item_knn": Algorithm(item_knn.ItemKnnParams, item_knn.fit, item_knn.suggest),
    "personal": Algorithm(personal.PersonalParams, personal.fit, personal.suggest),
    "ease": Algorithm(ease.EaseParams, ease.fit, ease.suggest),
    "graph_filter": Algorithm(
        graph_filter.GraphFilterParams, graph_filter.fit, graph_filter.suggest
    ),
    "transition": Algorithm(
        # Its regression finds out by itself what old interest is worth.
        transition.TransitionParams,
        transition.fit,
        transition.suggest,
        UNFADING,
    ),
    "als": Algorithm(als.AlsParams, als.fit, als.suggest),
}


@dataclass(frozen=True)
class Recipe:
    """How a model is made.

    Attributes:
        algorithm: A key of `ALGORITHMS`.
        params: Of that algorithm's type.
        weighting: What events count, and how fast they fade.
    """

    algorithm: str
    params: Any
    weighting: Weighting = Weighting()  # noqa: RUF009 - frozen

    def fit(self, dataset: Dataset, created_at: datetime) -> Bundle:
        """The bundle that this recipe makes of a dataset, weighed by the recipe's weighting.

        Raises:
            BundleError: The fit did not converge.
        """
        return ALGORITHMS[self.algorithm].fit(
            dataset.under(self.weighting), self.params, created_at
        )


def default_recipe(algorithm: str) -> Recipe:
    """An algorithm as it is tried when nothing is known of the shop."""
    known = ALGORITHMS[algorithm]
    return Recipe(algorithm, known.params(), known.weighting)


def recipe_of(manifest: Manifest | Part) -> Recipe | None:
    """The recipe that a bundle, or a part of one, was made by; None when it can't be followed."""
    algorithm = ALGORITHMS.get(manifest.algorithm)
    if algorithm is None:
        return None
    params: dict[str, Param] = dict(manifest.params)
    try:
        return Recipe(
            manifest.algorithm, msgspec.convert(params, algorithm.params), manifest.weighting
        )
    except msgspec.ValidationError:
        return None
