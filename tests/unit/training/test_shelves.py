from datetime import UTC, datetime

import numpy as np
import pytest
from scipy.sparse import csr_array

from features.item import Item
from serving.model.bundle import POPULARITY, make_bundle
from serving.model.manifest import DataFacts
from serving.model.weighting import Weighting
from training.dataset import dataset_of
from training.shelves import make_shelves, segment_scores

AT = datetime(2026, 1, 1, tzinfo=UTC)
FACTS = DataFacts(as_of=AT, events=4, customers=3, items=3, interactions=4, checksum="00")
ITEMS = ("a", "b", "c")
# Customer 0 is loyal and takes a alone; 1 and 2 are lapsed and take b, one of them c as well.
MATRIX = csr_array(np.array([[9, 0, 0], [0, 1, 0], [0, 1, 1]], dtype=np.float32))
DATASET = dataset_of(MATRIX, ("ck_0", "ck_1", "ck_2"), ITEMS, Weighting(), AT)
SEGMENT_OF = {"ck_0": "loyal", "ck_1": "lapsed", "ck_2": "lapsed"}


def test_a_segments_scores_are_its_shares_drawn_to_everybodys() -> None:
    scores = segment_scores(DATASET, SEGMENT_OF)
    overall = np.array([1, 1.5, 0.5]) / 3
    np.testing.assert_allclose(scores["loyal"], (np.array([1, 0, 0]) + 20 * overall) / 21)
    np.testing.assert_allclose(scores["lapsed"], (np.array([0, 1.5, 0.5]) + 20 * overall) / 22)
    np.testing.assert_allclose(scores["new"], overall)


def test_nobody_with_a_segment_leaves_everybodys_taste() -> None:
    np.testing.assert_allclose(segment_scores(DATASET, {})["loyal"], np.array([2, 3, 1]) / 6)


@pytest.mark.parametrize("gone", ITEMS)
def test_what_is_out_of_stock_is_on_no_shelf(gone: str) -> None:
    bundle = make_bundle(
        algorithm="popularity",
        params={},
        weighting=Weighting(),
        items=ITEMS,
        arrays={POPULARITY: np.array([1, 3, 2], np.float32)},
        data=FACTS,
        created_at=AT,
    )
    catalogue = {name: Item(id=name, title=name, in_stock=name != gone) for name in ITEMS}
    shelves = make_shelves(bundle, DATASET, SEGMENT_OF, catalogue, AT)
    assert shelves["popular"] == tuple(name for name in ("b", "c", "a") if name != gone)
    assert all(gone not in items for items in shelves.values())
    assert len(shelves) == 7
