"""Published figures on the LightGCN split of Gowalla, through the chain that serves.

All items ranked, what was seen left out, mean over test users. Popularity is that of
xue-pai/Open-CF-Benchmark, GF-CF that of Shen et al., 2021; the split of SNAP's Gowalla check-ins is
jindeok/Turbo-CF's. They pin the conventions: which items are ranked, what NDCG's ideal is, and who
is counted.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks import splits
from serving.model.weighting import UNFADING
from training.recommenders.popularity import PopularityParams
from training.recommenders.recipe import Recipe

REPO = Path(__file__).parents[2]
DATA = Path(os.environ.get("HOMING_DATA", REPO / ".." / "shared" / "data"))
FOLDER = DATA / splits.GOWALLA
USERS = 29_858

pytestmark = pytest.mark.skipif(
    not FOLDER.exists(), reason=f"no {FOLDER}: set HOMING_DATA to the folder with gowalla in it"
)


def recall_and_ndcg(recipe: Recipe) -> tuple[float, float]:
    split = splits.load(FOLDER)
    found = splits.answer(recipe.fit(split.dataset, splits.AT), split)
    assert len(found.customers) == USERS
    means = found.means()
    return round(means["recall_20"], 4), round(means["ndcg_20"], 4)


def test_popularity_scores_what_was_published() -> None:
    recipe = Recipe("popularity", PopularityParams(), UNFADING)
    assert recall_and_ndcg(recipe) == (0.0416, 0.0317)


@pytest.mark.timeout(600)  # 256 exact singular vectors: half a minute, and two on a busy machine
def test_a_graph_filter_scores_what_gf_cf_published() -> None:
    assert recall_and_ndcg(splits.GF_CF) == (0.1849, 0.1518)
