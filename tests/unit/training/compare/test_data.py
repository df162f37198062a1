from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from features.errors import NotEnoughData
from features.lake import Lake
from tests.shop import make_shop
from tests.unit.training.churn.samples import AT, SOURCE, make_snapshot
from tests.unit.training.home import fill
from training.churn.fit import fit_logistic
from training.churn.model import ChurnModel
from training.compare.data import DataPair
from training.compare.sides import Side, baseline

SHOP = make_shop(60, days=200)


def logistic() -> ChurnModel:
    return fit_logistic([make_snapshot(), make_snapshot(number=1)], SOURCE, AT)


def side(name: str, as_of: datetime, version: str = "0") -> Side:
    return Side(name, {"data.as_of": as_of.isoformat(), "data.lake_version": version}, {})


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    home: Path = tmp_path_factory.mktemp("data") / "home"
    return Lake(fill(home, SHOP).resolved_lake_path())


def test_features_and_scores_of_two_histories_are_laid_side_by_side(lake: Lake) -> None:
    half = SHOP.start + timedelta(days=100)
    data = DataPair(lake, side("churn/1", half), side("churn/2", SHOP.end))
    scores = data.scores([logistic(), logistic()])
    assert [(one.kind, one.name) for one in scores] == [
        ("score", "score by churn/1"),
        ("score", "score by churn/2"),
    ]
    assert scores[0].psi == scores[1].psi
    drift = data.drift(scores)
    assert drift
    assert drift.found[:2] == scores
    found = {one.name: one for one in drift.found}
    assert found["tenure_days"].movement == "drifted"  # a hundred days older
    assert found["tenure_days"].b == pytest.approx(found["tenure_days"].a + 100, abs=15)
    assert found["returned_share"].movement == "stable"  # nobody returns anything
    psi = [one.psi for one in drift.found[2:]]
    assert psi == sorted(psi, reverse=True)
    assert drift.note == ""


def test_the_same_history_is_not_read_twice_to_find_no_drift(tmp_path: Path) -> None:
    nowhere = Lake(str(tmp_path / "none"))
    one = side("churn/1", SHOP.end)
    drift = DataPair(nowhere, one, one).drift(())
    assert drift
    assert (drift.found, drift.note) == ((), "both were made of the same history")
    assert DataPair(nowhere, one, one).scores([logistic(), logistic()]) == ()


def test_a_lake_that_is_gone_shows_no_drift(tmp_path: Path) -> None:
    a, b = side("churn/1", SHOP.start), side("churn/2", SHOP.end)
    assert DataPair(Lake(str(tmp_path / "none")), a, b).drift(()) is None


def test_a_version_that_does_not_say_its_data_is_named() -> None:
    with pytest.raises(NotEnoughData, match="churn/9 does not say its data"):
        _ = Side("churn/9", {"data.as_of": "yesterday"}, {}).as_of
    assert Side("churn/9", {}, {}).lake_version is None


def test_a_baseline_is_of_the_same_data_as_what_stands_beside_it() -> None:
    one = side("recommender/1", SHOP.end)
    assert baseline("popularity", one).as_of == SHOP.end
    assert baseline("popularity", one).facts["algorithm"] == "popularity"
