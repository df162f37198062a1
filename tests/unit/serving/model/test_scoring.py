from __future__ import annotations

import numpy as np
import pytest

from features.errors import BundleError
from serving.model.scoring import open_scorer
from tests.unit.serving.model.samples import bundle_of, purchases

NOTHING = purchases({}, {}, items=3)


def test_an_algorithm_that_is_not_known_is_refused_by_name() -> None:
    with pytest.raises(BundleError, match=r"'crystal_ball'.*popularity, als, item_knn"):
        open_scorer(bundle_of("crystal_ball"))


def test_popularity_scores_the_same_for_everybody() -> None:
    scorer = open_scorer(bundle_of("popularity"))
    assert scorer.score(NOTHING).tolist() == [[3.0, 2.0, 1.0]] * 2


def test_popularity_has_no_reason_and_knows_no_likeness() -> None:
    scorer = open_scorer(bundle_of("popularity"))
    assert scorer.tastes(NOTHING).shares([np.array([0, 2])])[0].values.shape == (2, 0)
    rows, scores = scorer.similar(0, 3)
    assert (len(rows), len(scores)) == (0, 0)
