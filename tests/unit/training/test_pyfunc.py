"""What MLflow runs when a data scientist loads a model, without MLflow around it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from tests.unit.training.churn.samples import AT as SNAPPED
from tests.unit.training.churn.samples import SOURCE, make_snapshot
from tests.unit.training.samples import AT, checkerboard_dataset
from training.churn.files import save_model
from training.churn.fit import fit_logistic
from training.recommenders import item_knn
from training.tracking import quiet

with quiet():  # MLflow warns while it is imported
    from training.pyfunc_churn import Churn
    from training.pyfunc_recommender import SIZE, Recommender


@pytest.fixture
def recommender(tmp_path: Path) -> Recommender:
    item_knn.fit(checkerboard_dataset(), item_knn.ItemKnnParams(shrink=1.0), AT).save(
        tmp_path / "b"
    )
    model = Recommender()
    model.load_context(SimpleNamespace(artifacts={"bundle": str(tmp_path / "b")}))
    return model


def test_items_of_the_same_colour_are_recommended_and_none_that_is_owned(
    recommender: Recommender,
) -> None:
    asked = pd.DataFrame({"history": [["item-00", "item-02"], ["item-01"]], "n": [4, 99]})
    answer = recommender.predict(None, asked)
    assert set(answer["items"][0]) == {"item-04", "item-06", "item-08", "item-10"}
    assert answer["scores"][0] == sorted(answer["scores"][0], reverse=True)
    assert len(answer["items"][1]) == 11  # all but the one that is owned
    assert "item-01" not in answer["items"][1]
    assert set(answer["because"][0][0]) == {"item-00", "item-02"}
    assert sum(answer["because"][0][0].values()) == pytest.approx(1.0)


def test_without_a_number_there_are_ten_and_without_a_history_the_popular(
    recommender: Recommender,
) -> None:
    answer = recommender.predict(None, pd.DataFrame({"history": [[], ["unheard-of"]]}))
    assert [len(items) for items in answer["items"]] == [SIZE, SIZE]
    assert answer["items"][0] == answer["items"][1]
    assert answer["items"][0][:2] == ["item-00", "item-01"]


def test_a_churn_model_says_chance_and_band(tmp_path: Path) -> None:
    snapshots = [make_snapshot(number=number) for number in range(2)]
    fitted = fit_logistic(snapshots, SOURCE, SNAPPED)
    save_model(fitted, tmp_path / "b")
    model = Churn()
    model.load_context(SimpleNamespace(artifacts={"bundle": str(tmp_path / "b")}))
    names = fitted.manifest.features
    answer = model.predict(
        None, pd.DataFrame({name: snapshots[0].features[name] for name in names})
    )
    expected = fitted.probability(snapshots[0].features)
    assert answer["probability"].tolist() == pytest.approx(expected.tolist())
    assert answer["band"].tolist() == fitted.band(expected)
    assert {"low", "high"} <= set(answer["band"])
