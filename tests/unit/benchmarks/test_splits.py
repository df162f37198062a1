"""Published splits: how they are read, cut and judged, on a shop where answers are evident."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.sparse import csr_array

from benchmarks import recommenders_stages, splits
from serving.model.weighting import UNFADING
from training.dataset import Dataset, dataset_of

SIZE = 24


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Users have every other item, as they are even or odd, and one of these in the test part."""
    users, items = np.nonzero(np.add.outer(np.arange(SIZE), np.arange(SIZE)) % 2 == 0)
    tested = users == items
    (tmp_path / splits.AMAZON).mkdir()
    for part, of in (("train", ~tested), ("test", tested)):
        table = pa.table({"user": users[of], "item": items[of]})
        pq.write_table(table, tmp_path / splits.AMAZON / f"{part}.parquet")
    return tmp_path


def shop(cells: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> Dataset:
    users, items = ([f"{number:05}" for number in range(size)] for size in cells.shape)
    return dataset_of(csr_array(cells), users, items, UNFADING, splits.AT)


def had(split: splits.Split) -> set[tuple[str, str]]:
    dataset = split.dataset
    cells = zip(*dataset.matrix.nonzero(), strict=True)
    return {(dataset.customers[user], dataset.items[item]) for user, item in cells}


def targets_of(split: splits.Split) -> tuple[Sequence[str], Sequence[frozenset[str]]]:
    return split.held_out.customers, split.held_out.targets


def wanted(split: splits.Split) -> set[tuple[str, str]]:
    pairs = zip(*targets_of(split), strict=True)
    return {(customer, item) for customer, items in pairs for item in items}


def test_a_split_is_read_as_it_was_published(folder: Path) -> None:
    split = splits.load(folder / splits.AMAZON)
    assert split.dataset.matrix.shape == (SIZE, SIZE)
    assert wanted(split) == {(f"{number:05}", f"{number:05}") for number in range(SIZE)}
    assert not had(split) & wanted(split)


def test_the_blend_and_its_parts_are_judged_and_find_the_one_item_left(folder: Path) -> None:
    stage = recommenders_stages.blend_stage(str(folder), splits.AMAZON)
    recalls = {name: value for name, value in stage.extra.items() if "recall" in name}
    models = ("blend", "graph_filter", "ease", "item_knn", "als")
    assert recalls == {f"{model}: recall_20": 1.0 for model in models}


def test_a_cut_is_of_the_training_part_alone(folder: Path) -> None:
    stage = recommenders_stages.cut_stage(str(folder), splits.AMAZON, "0")
    assert 0.0 < stage.extra["blend: ndcg_20"] <= 1.0
    whole = splits.load(folder / splits.AMAZON)
    cut = splits.cut(whole.dataset, splits.CUTS[splits.AMAZON], seed=0)
    assert had(cut) | wanted(cut) == had(whole)
    assert not had(cut) & wanted(cut)


def test_of_every_user_as_large_a_share_is_held_out_rounded_up() -> None:
    cut = splits.cut(shop(np.tri(8)), splits.Cut(share=0.3), seed=0)
    counts = {user: len(items) for user, items in zip(*targets_of(cut), strict=True)}
    assert counts == {f"{row:05}": int(np.ceil((row + 1) * 0.3)) for row in range(8)}


def test_popular_items_are_held_out_more_often_where_that_is_asked() -> None:
    cells = np.ones((200, 2))
    cells[:150, 1] = 0
    cells = np.c_[cells, np.eye(200)]
    shares = []
    for power in (0.0, 1.0):
        cut = splits.cut(shop(cells), splits.Cut(0.5, power), seed=1)
        shares.append(sum(item == "00000" for _, item in wanted(cut)) / 200)
    at_random, by_popularity = shares
    assert at_random < 0.75
    assert by_popularity > 0.95


def test_the_same_seed_cuts_the_same() -> None:
    dataset = shop(np.ones((6, 6)))
    cuts = [wanted(splits.cut(dataset, splits.Cut(0.5), seed)) for seed in (3, 3, 4)]
    assert cuts[0] == cuts[1] != cuts[2]
