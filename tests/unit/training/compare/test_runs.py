"""What MLflow's own interface has to compare runs by."""

from __future__ import annotations

from typing import Any

import pytest

from training.settings import TrainingSettings
from training.tracking import Tracking


@pytest.fixture(scope="module")
def runs(two_versions: TrainingSettings) -> list[Any]:
    """All runs of recommenders, MLflow's own."""
    tracking = Tracking(two_versions.resolved_tracking_url(), two_versions.artifacts)
    with tracking.client() as client:
        named = client.search_experiments(filter_string="name = 'recommender'")
        return list(client.search_runs([one.experiment_id for one in named]))


def of_role(runs: list[Any], role: str) -> list[Any]:
    return [run for run in runs if run.data.tags.get("role") == role]


def test_registered_runs_and_candidates_have_the_same_columns(runs: list[Any]) -> None:
    registered, candidates = of_role(runs, "registered"), of_role(runs, "candidate")
    assert len(registered) == 2
    assert len(candidates) >= 6
    columns = {
        "explore/ndcg_20",
        "explore/ndcg_20_low",
        "explore/ndcg_20_high",
        "repeat/recall_4",
        "explore/coverage_20",
    }
    for run in (*registered, *candidates):
        assert columns <= set(run.data.metrics)
        assert {"data.lake_version", "data.as_of", "data.cutoff", "algorithm"} <= set(run.data.tags)
        assert run.data.params["algorithm"] == run.data.tags["algorithm"]
        assert "weighting.half_life_days" in run.data.params
        assert [one.dataset.name for one in run.inputs.dataset_inputs] == ["lake events v0"]


def test_intervals_hold_their_means(runs: list[Any]) -> None:
    for run in runs:
        metrics = run.data.metrics
        for name in (name.removesuffix("_low") for name in metrics if name.endswith("_low")):
            low, high = metrics[f"{name}_low"], metrics[f"{name}_high"]
            assert low - 1e-9 <= metrics[name] <= high + 1e-9


def test_registered_runs_say_what_they_cost_and_what_the_gate_thought(runs: list[Any]) -> None:
    for run in of_role(runs, "registered"):
        costs = {name for name in run.data.metrics if name.startswith("cost/")}
        assert costs == {
            f"cost/{name}" for name in ("fit_seconds", "rows", "parameters", "bundle_bytes")
        }
        note = run.data.tags["mlflow.note.content"]
        assert note.startswith(f"**{run.data.tags['algorithm']}**")
        assert run.data.tags["gate.reason"] in note
        assert " checks passed." in note
        assert run.data.tags["homing.version"]
        assert run.info.run_name.startswith(run.data.tags["algorithm"])


def test_candidates_hang_below_the_run_that_tried_them(runs: list[Any]) -> None:
    parents = {run.info.run_id for run in of_role(runs, "registered")}
    for run in of_role(runs, "candidate"):
        assert run.data.tags["mlflow.parentRunId"] in parents


def test_versions_carry_the_same_note(two_versions: TrainingSettings, runs: list[Any]) -> None:
    tracking = Tracking(two_versions.resolved_tracking_url(), two_versions.artifacts)
    with tracking.client() as client:
        entry = client.get_model_version("recommender", "2")
    run = next(run for run in runs if run.info.run_id == entry.run_id)
    assert entry.description == run.data.tags["mlflow.note.content"]
