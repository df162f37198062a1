from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from features.errors import BundleError
from serving.model.als import FACTORS
from serving.model.linear import IN, OUT
from serving.model.manifest import Part, part_prefix
from serving.model.vectors import item_vectors
from serving.model.weighting import Weighting
from tests.unit.serving.model.samples import bundle_of

ITEMS = ("apple", "bread")
RIGHT = np.array([[1.0, 0.0], [1.0, 0.0]], np.float32)
UP = np.array([[0.0, 1.0], [0.0, 1.0]], np.float32)


def test_items_are_as_alike_as_their_factors_or_as_what_they_gain_from_others() -> None:
    assert item_vectors(bundle_of("als", ITEMS, arrays={FACTORS: UP})) is UP
    assert item_vectors(bundle_of("ease", ITEMS, arrays={IN: RIGHT, OUT: UP})) is UP


def test_a_bundle_without_factors_has_no_vectors() -> None:
    assert item_vectors(bundle_of("popularity", ITEMS, arrays={})) is None


def test_a_blend_has_those_of_its_first_part_that_has_any() -> None:
    arrays = {f"{part_prefix(1)}{OUT}": RIGHT, f"{part_prefix(2)}{FACTORS}": UP}
    bundle = bundle_of("blend", ITEMS, arrays=arrays)
    names = ("popularity", "graph_filter", "als")
    parts = tuple(Part(algorithm=name, params={}, weighting=Weighting()) for name in names)
    manifest = msgspec.structs.replace(bundle.manifest, parts=parts)
    assert item_vectors(replace(bundle, manifest=manifest)) is RIGHT


def test_vectors_of_another_shape_are_refused() -> None:
    with pytest.raises(BundleError, match=FACTORS):
        item_vectors(bundle_of("als", ITEMS, arrays={FACTORS: RIGHT[0]}))
