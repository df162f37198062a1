"""Published figures on the LightGCN split of Gowalla, through the chain that serves.

All items ranked, what was seen left out, mean over test users. The figures are those of
xue-pai/Open-CF-Benchmark; the split of SNAP's Gowalla check-ins is jindeok/Turbo-CF's. They pin
the conventions: which items are ranked, what NDCG's ideal is, and who is counted.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.sparse import coo_array, csr_array

from serving.model.weighting import Weighting
from training.dataset import dataset_of
from training.evaluate import EXPLORE, evaluate, question_blocks
from training.heldout import held_out_of
from training.recommenders import popularity

REPO = Path(__file__).parents[2]
DATA = Path(os.environ.get("HOMING_DATA", REPO / ".." / "shared" / "data"))
FOLDER = DATA / "gowalla"
AT = datetime(2010, 10, 1, tzinfo=UTC)
USERS, ITEMS = 29_858, 40_981

pytestmark = pytest.mark.skipif(
    not FOLDER.exists(), reason=f"no {FOLDER}: set HOMING_DATA to the folder with gowalla in it"
)


def pairs(part: str) -> csr_array[np.float32, tuple[int, int]]:
    """One part of the split: 1 where the user was at the item."""
    table = pq.read_table(FOLDER / f"{part}.parquet")
    places = tuple(table.column(name).to_numpy() for name in ("user", "item"))
    ones = np.ones(table.num_rows, np.float32)
    return csr_array(coo_array((ones, places), shape=(USERS, ITEMS)))


def test_popularity_scores_what_was_published() -> None:
    names = np.array([f"{item:05}" for item in range(ITEMS)])
    customers = [f"{user:05}" for user in range(USERS)]
    seen, after = pairs("train"), pairs("test")
    dataset = dataset_of(seen, customers, names.tolist(), Weighting(half_life_days=None), AT)
    span = (AT, AT + timedelta(days=1))
    held_out = held_out_of(seen, after, customers, names.tolist(), span)
    bundle = popularity.fit(dataset, popularity.PopularityParams(), AT)
    explore = [block for block in question_blocks() if block.name == EXPLORE]
    found = evaluate(bundle, held_out, blocks=explore)[EXPLORE]
    assert len(found.customers) == USERS
    assert round(found.means()["recall_20"], 4) == 0.0416
    assert round(found.means()["ndcg_20"], 4) == 0.0317
