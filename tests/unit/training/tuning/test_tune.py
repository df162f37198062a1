from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from features.clock import FixedClock
from serving.model.bundle import Bundle
from tests.unit.training.home import registry
from tests.unit.training.samples import AT
from tests.unit.training.tuning.changing import changing_ground
from training.recommenders.recipe import default_recipe
from training.tracking import Tracking
from training.tuning.bench import Bench, Budget
from training.tuning.ground import Ground
from training.tuning.tune import tune

STARTS = {name: (default_recipe(name),) for name in ("item_knn", "personal")}
METRIC = "validation/explore/ndcg_20"


class Killed(BaseException):
    """Stands for a process that ends here."""


@dataclass(frozen=True, eq=False)
class Deadly(Ground):
    """A ground on which a process is killed in its third trial."""

    def scores(self, bundle: Bundle) -> Iterator[float]:
        if bundle.manifest.params.get("shrink") not in (None, 10.0):
            raise Killed
        return super().scores(bundle)


@pytest.fixture(scope="module")
def ground() -> Ground:
    return changing_ground()


@pytest.fixture(scope="module")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> Tracking:
    pytest.importorskip("mlflow")
    home = tmp_path_factory.mktemp("mlflow")
    (home / "mlflow.db").write_bytes(registry())
    return Tracking(f"sqlite:///{home}/mlflow.db", home / "artifacts")


def bench(home: Path, tracking: Tracking | None = None, trials: int = 3) -> Bench:
    """What is tuned with."""
    tags = {"data.lake": home.name}
    return Bench(home / "tuning", Budget(600.0, trials), tracking, tags, FixedClock(AT))


def runs(tracking: Tracking, home: Path) -> tuple[list[Any], dict[str, list[Any]]]:
    """The studies of one home, and the trials of each by the study's id."""
    with tracking.client() as client:
        experiment = client.get_experiment_by_name("tuning")
        assert experiment is not None
        where = f"tags.`data.lake` = '{home.name}'"
        found = list(client.search_runs([experiment.experiment_id], where, max_results=100))
    studies = [run for run in found if "mlflow.parentRunId" not in run.data.tags]
    return studies, {
        study.info.run_id: [
            run for run in found if run.data.tags.get("mlflow.parentRunId") == study.info.run_id
        ]
        for study in studies
    }


def test_every_algorithm_has_the_same_budget(ground: Ground, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    spending = replace(bench(tmp_path), budget=Budget(0.4))
    found = tune(ground, STARTS, spending, lambda done, total: told.append((done, total)))
    assert set(found) == set(STARTS)
    for one in found.values():
        assert one.seconds >= 0.2
        assert one.score >= one.default
    again = tune(ground, STARTS, spending, lambda _done, _total: pytest.fail("nothing is left"))
    assert again == found


def test_where_no_algorithm_competes_nothing_is_tuned(ground: Ground, tmp_path: Path) -> None:
    assert tune(ground, {}, bench(tmp_path), lambda _done, _total: None) == {}


def test_each_trial_is_a_nested_run(ground: Ground, tmp_path: Path, tracking: Tracking) -> None:
    found = tune(ground, STARTS, bench(tmp_path, tracking), lambda _done, _total: None)
    studies, trials = runs(tracking, tmp_path)
    assert {study.data.tags["algorithm"] for study in studies} == set(STARTS)
    for study in studies:
        best = found[study.data.tags["algorithm"]]
        assert study.data.tags["data.lake"] == tmp_path.name
        assert study.data.metrics[METRIC] == best.score
        assert study.data.metrics[f"{METRIC}/default"] == best.default
        assert study.data.metrics["trials"] == 3
        assert study.data.tags["best.weighting.purchase"] == "1.0"
        assert study.info.status == "FINISHED"
        below = trials[study.info.run_id]
        assert sorted(run.data.tags["tuning.trial"] for run in below) == ["0", "1", "2"]
        assert max(run.data.metrics[METRIC] for run in below) == best.score
        for run in below:
            assert run.data.tags["tuning.state"] in {"complete", "pruned"}
            assert run.data.tags["data.lake"] == tmp_path.name
            assert run.data.metrics["seconds"] > 0
            assert "weighting.half_life_days" in run.data.params


def test_a_killed_tuning_goes_on_and_logs_each_trial_once(
    ground: Ground, tmp_path: Path, tracking: Tracking
) -> None:
    ground = replace(ground, metric="recall_20")  # a study of its own
    deadly = Deadly(ground.dataset, ground.held_out, None, AT, ground.block, ground.metric)
    assert deadly.digest == ground.digest
    with pytest.raises(Killed):
        tune(deadly, STARTS, bench(tmp_path, tracking), lambda _done, _total: None)
    with tracking.client() as client:  # killed while a trial was logged
        [study], _ = runs(tracking, tmp_path)
        begun = client.create_run(
            study.info.experiment_id,
            tags={"mlflow.parentRunId": study.info.run_id, "data.lake": tmp_path.name},
        )
    tune(ground, STARTS, bench(tmp_path, tracking), lambda _done, _total: None)
    tune(ground, STARTS, bench(tmp_path, tracking, 4), lambda _done, _total: None)
    studies, trials = runs(tracking, tmp_path)
    assert len(studies) == 2
    for study in studies:
        below = trials[study.info.run_id]
        assert begun.info.run_id not in [run.info.run_id for run in below]
        assert sorted(run.data.tags["tuning.trial"] for run in below) == ["0", "1", "2", "3"]
        assert study.data.metrics["trials"] == 4


def test_other_customers_start_anew(ground: Ground, tmp_path: Path) -> None:
    tune(ground, STARTS, bench(tmp_path), lambda _done, _total: None)
    [old] = (tmp_path / "tuning").iterdir()
    fewer = replace(ground, metric="recall_20")
    found = tune(fewer, STARTS, bench(tmp_path, None, 2), lambda _done, _total: None)
    assert found["item_knn"].trials == 2
    [new] = (tmp_path / "tuning").iterdir()
    assert new != old
