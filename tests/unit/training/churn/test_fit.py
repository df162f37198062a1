from dataclasses import replace

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from features.definitions.table import FEATURES
from features.errors import BundleError, NotEnoughData
from tests.unit.training.churn.samples import AT, SOURCE, make_snapshot
from training.churn.bgnbd import fit_bgnbd
from training.churn.cores import Blend
from training.churn.fit import (
    BoostingParams,
    fit_blend,
    fit_logistic,
    fit_silence,
)
from training.churn.model import ChurnModel
from training.churn.rhythm import RHYTHM_COLUMNS
from training.churn.snapshots import Snapshot
from training.churn.trees import DEPTH, trees_from, trees_of

PARAMS = BoostingParams(trees=60)
COLUMNS = len(FEATURES) + len(RHYTHM_COLUMNS)


@pytest.fixture(scope="module")
def fitted() -> ChurnModel:
    return fit_blend([make_snapshot(number=n) for n in range(3)], PARAMS, SOURCE, AT)


def test_trees_say_what_scikit_learn_says_also_of_missing_values() -> None:
    random = np.random.default_rng(1)
    features = random.normal(size=(600, 5))
    features[random.random(features.shape) < 0.2] = np.nan
    happened = np.nan_to_num(features[:, 0], nan=2.0) > 0.5
    classifier = HistGradientBoostingClassifier(max_iter=20, early_stopping=False)
    classifier.fit(features, happened)
    unseen = random.normal(size=(300, 5)) * 3
    unseen[random.random(unseen.shape) < 0.2] = np.nan
    found = trees_of(classifier, 20).log_odds(unseen)
    np.testing.assert_allclose(found, classifier.decision_function(unseen), atol=1e-9)


def test_trees_of_nobody_are_empty(fitted: ChurnModel) -> None:
    assert fitted.core.log_odds(np.empty((0, COLUMNS))).shape == (0,)


def test_all_models_learn_that_recency_tells_who_churns(fitted: ChurnModel) -> None:
    snapshots = [make_snapshot(number=n) for n in range(3)]
    baselines = [fit(snapshots, SOURCE, AT) for fit in (fit_logistic, fit_silence)]
    unseen = make_snapshot(number=9)
    for model in (fitted, *baselines):
        said = model.probability(unseen.features)
        recent = unseen.features["recency_days"] < 15
        assert said[~recent].mean() > said[recent].mean() + 0.15


def test_the_latest_snapshot_chooses_how_many_trees_are_kept(fitted: ChurnModel) -> None:
    kept = fitted.manifest.params["kept"]
    assert isinstance(kept, int)
    assert 1 <= kept <= PARAMS.trees
    assert len(fitted.core.arrays()["roots"]) == kept


def test_what_was_calibrated_and_then_learnt_from_is_not_corrected_twice() -> None:
    latest, *before = (make_snapshot(300, number=n) for n in range(3))
    # As many churn as ever, after longer silence: earlier customers tell too much churn of them.
    later = {**latest.features, "recency_days": latest.features["recency_days"] + 20}
    snapshots = [replace(latest, features=later), *before]
    model = fit_blend(snapshots, PARAMS, SOURCE, AT)
    assert model.probability(later).mean() == pytest.approx(latest.churned.mean(), abs=0.03)


def test_bg_nbd_is_fitted_before_the_customers_that_calibrate(fitted: ChurnModel) -> None:
    assert fitted.manifest.bgnbd == fit_bgnbd(make_snapshot(number=0).buyers)
    assert fitted.manifest.columns[-3:] == RHYTHM_COLUMNS


def test_the_blend_takes_the_trees_where_only_they_see_what_matters() -> None:
    shares = []
    for name, planted in (("trees", "emails_91d"), ("logistic", "recency_days")):
        snapshots = [make_snapshot(1_200, number=n, driver=planted) for n in range(3)]
        model = fit_blend(snapshots, PARAMS, SOURCE, AT)
        shares.append((name, model.manifest.params["share"]))
    assert float(str(shares[0][1])) > 0.0
    assert float(str(shares[1][1])) < 1.0


@pytest.mark.parametrize("seed", [1, 3, 4])
def test_the_blend_takes_no_trees_that_are_better_by_luck(seed: int) -> None:
    snapshots = [make_snapshot(200, number=n, seed=seed) for n in range(3)]
    assert fit_blend(snapshots, PARAMS, SOURCE, AT).manifest.params["share"] == 0.0


def _without(snapshot: Snapshot, gone: np.ndarray) -> Snapshot:
    return replace(
        snapshot,
        features={name: column[~gone] for name, column in snapshot.features.items()},
        churned=snapshot.churned[~gone],
    )


def test_how_many_churned_before_the_latest_snapshot_does_not_count() -> None:
    latest, *before = (make_snapshot(1_200, number=n) for n in range(3))
    # Another season: of those who stayed a half is not there.
    other = [_without(one, ~one.churned & (np.arange(1_200) % 2 == 0)) for one in before]
    assert other[0].churned.mean() > before[0].churned.mean() + 0.1
    unseen = make_snapshot(1_200, number=9)
    means = [
        fit_blend([latest, *some], PARAMS, SOURCE, AT).probability(unseen.features).mean()
        for some in (before, other)
    ]
    assert means[0] == pytest.approx(means[1], abs=0.02)


def test_what_serves_learns_from_every_snapshot_and_keeps_the_calibrated_level() -> None:
    snapshots = [make_snapshot(1_200, number=n) for n in range(3)]
    model = fit_blend(snapshots, PARAMS, SOURCE, AT)
    core = model.core
    assert isinstance(core, Blend)
    assert core.trees.cover[0] == 3_600
    said = model.probability(snapshots[0].features)
    assert said.mean() == pytest.approx(snapshots[0].churned.mean(), abs=0.01)


def test_the_manifest_says_what_it_came_from(fitted: ChurnModel) -> None:
    facts = fitted.manifest.data
    assert facts.rows == 1_200
    assert facts.lake_version == 3
    assert facts.snapshots[0] == AT
    assert "ck_" not in str(facts)


def test_everybody_staying_is_too_little_to_learn_from() -> None:
    stayed = make_snapshot()
    only = replace(stayed, churned=np.zeros(400, dtype=bool))
    with pytest.raises(NotEnoughData, match="0 customers churned and 400 stayed in the latest"):
        fit_blend([only, make_snapshot(number=1)], PARAMS, SOURCE, AT)


def test_one_snapshot_alone_is_too_little() -> None:
    with pytest.raises(NotEnoughData, match="snapshots before it"):
        fit_logistic([make_snapshot()], SOURCE, AT)


def test_a_feature_that_is_not_there_is_named(fitted: ChurnModel) -> None:
    with pytest.raises(BundleError, match="recency_days"):
        fitted.probability({"spend": np.zeros(1)})


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("feature", 99, "feature points outside"),
        ("children", 10_000, "children points outside"),
        ("children", 0, "children points backwards"),
        ("roots", -1, "roots points outside"),
    ],
)
def test_trees_that_point_astray_are_refused(
    fitted: ChurnModel, name: str, value: int, said: str
) -> None:
    arrays = {key: array.copy() for key, array in fitted.core.arrays().items()}
    arrays[name][-1] = value
    with pytest.raises(BundleError, match=said):
        trees_from(arrays, COLUMNS)


def test_trees_with_a_missing_array_are_refused(fitted: ChurnModel) -> None:
    arrays = dict(fitted.core.arrays())
    del arrays["threshold"]
    with pytest.raises(BundleError, match="threshold"):
        trees_from(arrays, COLUMNS)


def test_trees_of_unequal_lengths_are_refused(fitted: ChurnModel) -> None:
    arrays = dict(fitted.core.arrays()) | {"value": np.zeros(2)}
    with pytest.raises(BundleError, match="does not fit"):
        trees_from(arrays, COLUMNS)


def test_no_tree_is_deeper_than_what_is_walked(fitted: ChurnModel) -> None:
    assert PARAMS.leaves < DEPTH
    assert fitted.manifest.algorithm == "blend"
