"""Blends: several recipes whose models are weighed against each other.

What each weighs is fitted on validation time, by `training.blending`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from serving.model.blend import AGAIN, ALGORITHM
from serving.model.bundle import POPULARITY, Bundle, make_bundle
from serving.model.manifest import Manifest, Part, Say, part_prefix
from training.dataset import Dataset
from training.recommenders.popularity import popularity_of
from training.recommenders.recipe import Recipe, recipe_of


@dataclass(frozen=True)
class Ingredient:
    """One recipe of a blend.

    Attributes:
        recipe: Of the part.
        new: What it counts among items that the customer does not have.
        again: What it counts among those that the customer has.
    """

    recipe: Recipe
    new: Say
    again: Say = Say()  # noqa: RUF009 - frozen

    @property
    def silent(self) -> bool:
        """Whether it counts nothing at all."""
        return self.new == self.again == Say()


@dataclass(frozen=True)
class Mixture:
    """The parameters of a blend.

    Attributes:
        ingredients: Its parts.
        again: What items that a customer has score beforehand.
    """

    ingredients: tuple[Ingredient, ...]
    again: float = 0.0


@dataclass(frozen=True)
class Blend(Recipe):
    """A recipe of recipes."""

    params: Mixture

    def fit(self, dataset: Dataset, created_at: datetime) -> Bundle:
        """The blend of what its recipes make of a dataset.

        Raises:
            BundleError: A fit did not converge.
        """
        bundles = [one.recipe.fit(dataset, created_at) for one in self.params.ingredients]
        return self.mix(bundles, dataset, created_at)

    def mix(self, bundles: Sequence[Bundle], dataset: Dataset, created_at: datetime) -> Bundle:
        """The blend of bundles that its recipes, in their order, made of a dataset."""
        parts = [
            Part(
                algorithm=bundle.manifest.algorithm,
                params=bundle.manifest.params,
                weighting=bundle.manifest.weighting,
                new=one.new,
                again=one.again,
            )
            for one, bundle in zip(self.params.ingredients, bundles, strict=True)
        ]
        arrays = {
            f"{part_prefix(number)}{name}": array
            for number, bundle in enumerate(bundles)
            for name, array in bundle.arrays.items()
        }
        overall = dataset.under(self.weighting)
        return make_bundle(
            algorithm=ALGORITHM,
            params={AGAIN: self.params.again, **_told(parts)},
            weighting=self.weighting,
            items=dataset.items,
            arrays={POPULARITY: popularity_of(overall), **arrays},
            data=dataset.data,
            created_at=created_at,
            parts=parts,
        )


def without_silent(blend: Blend) -> Blend:
    """The same blend of those parts that count: the others need not be fitted, kept or served."""
    spoken = [one for one in blend.params.ingredients if not one.silent]
    return blend_of(spoken or blend.params.ingredients[:1], blend.params.again)


def blend_of(ingredients: Sequence[Ingredient], again: float = 0.0) -> Blend:
    """The blend of some ingredients; its own weighting is the default."""
    return Blend(algorithm=ALGORITHM, params=Mixture(tuple(ingredients), again))


def _told(parts: Sequence[Part]) -> dict[str, float]:
    """What the parts count, as parameters of a run."""
    return {
        f"{number}.{part.algorithm}.{kind}.{name}": value
        for number, part in enumerate(parts)
        for kind, say in (("new", part.new), ("again", part.again))
        for name, value in (("weight", say.weight), ("root", say.root))
    }


def recipes_of(manifest: Manifest) -> tuple[Recipe, ...]:
    """The recipe that a bundle was made by, or those of a blend's parts, as far as known here."""
    parts = manifest.parts or (manifest,)
    found = (recipe_of(part) for part in parts)
    return tuple(recipe for recipe in found if recipe is not None)
