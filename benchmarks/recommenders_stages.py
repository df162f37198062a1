"""Stages of `benchmarks.recommenders`, each in a process of its own, so that its memory is its own.

`python -m benchmarks.recommenders_stages STAGE ARGUMENT…` does one and prints it as JSON.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from benchmarks import shops, splits
from benchmarks.figures import seconds
from benchmarks.loop_stages import settings_of
from benchmarks.scale import AT, made_up
from benchmarks.stages import Stage, main
from features.lake import Lake
from serving.model.bundle import Bundle
from training.metrics import NDCG, RECALL, name_at
from training.recommenders.als import AlsParams, fit
from training.recommenders.blend import Blend

K: Final = 20
"""Places that are compared with published figures."""
ITEMS: Final = 100_000
"""In the catalogue of the shops that are made up."""


def blend_stage(data: str, name: str) -> Stage:
    """The blend of a published split: fitted, and it and its parts judged."""
    return _judged(splits.load(Path(data) / name), splits.RECIPES[name])


def cut_stage(data: str, name: str, seed: str) -> Stage:
    """The same on a cut of its training part, as recipes were chosen: no part of the benchmark."""
    whole = splits.load(Path(data) / name).dataset
    return _judged(splits.cut(whole, splits.CUTS[name], int(seed)), splits.RECIPES[name])


def gf_cf_stage(data: str, name: str) -> Stage:
    """The graph filter that was published, on a published split."""
    split = splits.load(Path(data) / name)
    began = time.perf_counter()
    bundle = splits.GF_CF.fit(split.dataset, splits.AT)
    spent = time.perf_counter() - began
    return Stage(spent, _scores("GF-CF", bundle, split))


def scale_stage(interactions: str) -> Stage:
    """ALS with its defaults on a shop of so many interactions."""
    dataset = made_up(int(interactions), ITEMS)
    return Stage(seconds(lambda: fit(dataset, AlsParams(), AT)), {"cells": dataset.matrix.nnz})


def households_stage(home: str, budget: str) -> Stage:
    """Our recommenders and peers on The Complete Journey, which was imported into `home`."""
    lake = Lake(settings_of(home).resolved_lake_path())
    return _contest(lake, budget)


def retail_stage(data: str, budget: str) -> Stage:
    """Our recommenders and peers on Online Retail II."""
    with shops.online_retail(Path(data)) as lake:
        return _contest(lake, budget)


def _contest(lake: Lake, budget: str) -> Stage:
    began = time.perf_counter()
    found = shops.measure(lake, float(budget))
    return Stage(time.perf_counter() - began, found)


def _judged(split: splits.Split, recipe: Blend) -> Stage:
    """A blend that is fitted on a split, and it and its parts judged."""
    began = time.perf_counter()
    bundle = recipe.fit(split.dataset, splits.AT)
    spent = time.perf_counter() - began
    models = {"blend": bundle} | {
        part.algorithm: bundle.part(number) for number, part in enumerate(bundle.manifest.parts)
    }
    found: dict[str, float] = {}
    for label, model in models.items():
        found |= _scores(label, model, split)
    return Stage(spent, found)


def _scores(label: str, bundle: Bundle, split: splits.Split) -> dict[str, float]:
    means = splits.answer(bundle, split).means()
    return {f"{label}: {name}": means[name] for name in (name_at(RECALL, K), name_at(NDCG, K))}


STAGES: Final[Mapping[str, Callable[..., Stage]]] = {
    "blend": blend_stage,
    "cut": cut_stage,
    "gf_cf": gf_cf_stage,
    "scale": scale_stage,
    "households": households_stage,
    "retail": retail_stage,
}


if __name__ == "__main__":
    main(STAGES)
