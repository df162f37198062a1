"""Blends: several recipes whose models are weighed against each other.

What each weighs is fitted on validation time, by `training.blending`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from serving.model.blend import ALGORITHM
from serving.model.bundle import POPULARITY, Bundle, make_bundle
from serving.model.manifest import Manifest, Part, part_prefix
from training.dataset import Dataset
from training.recommenders.popularity import popularity_of
from training.recommenders.recipe import Recipe, recipe_of


@dataclass(frozen=True)
class Ingredient:
    """One recipe of a blend.

    Attributes:
        recipe: Of the part.
        weight: What its scores count.
        root: What their square roots count.
    """

    recipe: Recipe
    weight: float
    root: float = 0.0


@dataclass(frozen=True)
class Blend(Recipe):
    """A recipe whose `params` are its ingredients."""

    params: tuple[Ingredient, ...]

    def fit(self, dataset: Dataset, created_at: datetime) -> Bundle:
        """The blend of what its recipes make of a dataset.

        Raises:
            BundleError: A fit did not converge.
        """
        bundles = [one.recipe.fit(dataset, created_at) for one in self.params]
        return self.mix(bundles, dataset, created_at)

    def mix(self, bundles: Sequence[Bundle], dataset: Dataset, created_at: datetime) -> Bundle:
        """The blend of bundles that its recipes, in their order, made of a dataset."""
        parts = [
            Part(
                algorithm=bundle.manifest.algorithm,
                params=bundle.manifest.params,
                weighting=bundle.manifest.weighting,
                weight=one.weight,
                root=one.root,
            )
            for one, bundle in zip(self.params, bundles, strict=True)
        ]
        arrays = {
            f"{part_prefix(number)}{name}": array
            for number, bundle in enumerate(bundles)
            for name, array in bundle.arrays.items()
        }
        overall = dataset.under(self.weighting)
        return make_bundle(
            algorithm=ALGORITHM,
            params=weights_of(parts),
            weighting=self.weighting,
            items=dataset.items,
            arrays={POPULARITY: popularity_of(overall), **arrays},
            data=dataset.data,
            created_at=created_at,
            parts=parts,
        )


def blend_of(ingredients: Sequence[Ingredient]) -> Blend:
    """The blend of some ingredients; its own weighting is the default."""
    return Blend(algorithm=ALGORITHM, params=tuple(ingredients))


def weights_of(parts: Sequence[Part]) -> dict[str, float]:
    """What the parts count, as parameters of a run."""
    told: dict[str, float] = {}
    for number, part in enumerate(parts):
        told[f"{number}.{part.algorithm}.weight"] = part.weight
        told[f"{number}.{part.algorithm}.root"] = part.root
    return told


def recipes_of(manifest: Manifest) -> tuple[Recipe, ...]:
    """The recipe that a bundle was made by, or those of a blend's parts, as far as known here."""
    parts = manifest.parts or (manifest,)
    found = (recipe_of(part) for part in parts)
    return tuple(recipe for recipe in found if recipe is not None)
