from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from features.errors import InvalidArgument, RegistryUnavailable
from tests.unit.training.compare.samples import Page
from tests.unit.training.conftest import Retrained
from training import bootstrap
from training.compare.report import Comparison
from training.settings import TrainingSettings
from training.tracking import Tracking


@pytest.fixture(scope="module")
def found(two_versions: TrainingSettings) -> Comparison:
    return bootstrap.compare(two_versions, "1", "recommender/2", log=True)


def test_versions_are_judged_on_the_days_that_neither_has_seen(found: Comparison) -> None:
    assert (found.a, found.b, found.model) == ("recommender/1", "recommender/2", "recommender")
    assert "judged on 2026-05-" in found.note
    assert found.facts["holdout_days"] == ("50", "30")
    metric = next(one for one in found.metrics if one.metric == "explore/ndcg_20")
    assert metric.a
    assert metric.b
    assert metric.difference
    assert metric.difference.value == pytest.approx(metric.b.value - metric.a.value)
    assert metric.difference.low <= metric.difference.value <= metric.difference.high
    assert metric.mark == found.mark


def test_slates_slices_drift_and_costs_are_told(found: Comparison) -> None:
    assert found.slates
    assert sum(found.slates.overlap.customers) == found.slates.customers
    assert found.slates.groups
    assert all(one.customer.startswith("ck_") for one in found.slates.examples)
    assert sum(one.customers for one in found.slices if " " not in one.name) <= found.customers
    assert found.drift
    told = {(one.kind, one.name) for one in found.drift.found}
    assert ("items", "popularity of items") in told
    assert ("score", "best score by recommender/1") in told
    assert found.drift.note == "both were made of the same history"
    costs = {one.name: (one.a, one.b) for one in found.costs}
    assert set(costs) == {"fit_seconds", "rows", "parameters", "bundle_bytes"}
    assert all(a and b for a, b in costs.values())


def test_the_answer_for_machines_says_all_of_it(found: Comparison) -> None:
    told = msgspec.json.decode(msgspec.json.encode(found))
    assert told["verdict"] == found.verdict
    assert told["metrics"][0]["mark"] == found.metrics[0].mark
    assert len(told["slates"]["examples"]) == len(found.slates.examples if found.slates else ())


def kept(tracking: Tracking, number: str, file: str = "compare.html") -> str:
    """A page that was kept with a version's run."""
    run = str(tracking.version("recommender", number).run_id)
    with tracking.client() as client:
        return Path(client.download_artifacts(run, file)).read_text("utf-8")


def test_the_page_is_kept_with_the_second_run(
    found: Comparison, two_versions: TrainingSettings
) -> None:
    tracking = Tracking(two_versions.resolved_tracking_url(), two_versions.artifacts)
    assert found.logged == "compare-with-recommender-1.html"
    assert found.verdict in Page(kept(tracking, "2", found.logged)).text


def test_every_training_keeps_a_page_against_what_had_to_be_beaten(
    two_versions: TrainingSettings,
) -> None:
    tracking = Tracking(two_versions.resolved_tracking_url(), two_versions.artifacts)
    first, second = (Page(kept(tracking, number)) for number in "12")
    assert first.problems == second.problems == []
    assert first.outside == second.outside == []
    assert "popularity and recommender/1" in first.text  # there was no champion yet
    assert "recommender/1 and recommender/2" in second.text


def test_a_version_is_no_different_from_itself(retrained: Retrained) -> None:
    found = bootstrap.compare(retrained.settings, "churn/1", "churn/1")
    assert {one.mark for one in found.metrics} == {"level"}
    assert {one.difference.value for one in found.metrics if one.difference} == {0}
    assert "no difference at all" in found.verdict
    assert found.slates is None
    assert [one.said for one in found.calibration[:1]] == [found.calibration[1].said]
    assert found.drift
    assert found.drift.found == ()


def test_the_churn_model_s_run_keeps_its_page(retrained: Retrained) -> None:
    tracking = Tracking(retrained.settings.resolved_tracking_url(), retrained.settings.artifacts)
    run = str(tracking.version("churn", "1").run_id)
    with tracking.client() as client:
        read = Page(Path(client.download_artifacts(run, "compare.html")).read_text("utf-8"))
    assert read.problems == []
    assert "calibration" in read.ids


def test_a_lake_that_was_made_anew_is_read_at_its_newest_version(
    two_versions: TrainingSettings,
) -> None:
    tracking = Tracking(two_versions.resolved_tracking_url(), two_versions.artifacts)
    with tracking.client() as client:
        client.set_model_version_tag("recommender", "1", "data.lake_version", "77")
    try:
        found = bootstrap.compare(two_versions, "1", "2")
    finally:
        with tracking.client() as client:
            client.set_model_version_tag("recommender", "1", "data.lake_version", "0")
    assert found.drift
    assert found.drift.lake == (77, 0)
    features = [one.psi for one in found.drift.found if one.kind == "feature"]
    assert set(features) == {0}  # the same days
    assert "versions 77 and 0 of the lake are not there any more" in found.drift.note


def test_without_the_lake_what_was_logged_is_shown(
    two_versions: TrainingSettings, tmp_path: Path
) -> None:
    alone = two_versions.model_copy(update={"lake_path": str(tmp_path / "none")})
    found = bootstrap.compare(alone, "1", "2")
    assert "not comparable" in found.note
    assert found.mark == "unknown"
    assert all(one.difference is None for one in found.metrics)
    metric = next(one for one in found.metrics if one.metric == "explore/ndcg_20")
    assert metric.a
    assert metric.a.low < metric.a.value < metric.a.high
    assert not any("_low" in one.metric for one in found.metrics)


def test_two_models_can_not_be_compared(two_versions: TrainingSettings) -> None:
    with pytest.raises(InvalidArgument, match="can't be compared"):
        bootstrap.compare(two_versions, "recommender/1", "churn/1")


def test_a_version_that_is_not_there_is_named(two_versions: TrainingSettings) -> None:
    with pytest.raises(RegistryUnavailable, match="99"):
        bootstrap.compare(two_versions, "1", "99")
