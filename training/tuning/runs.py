"""Trials as MLflow's runs: one below another for each study, so that its charts compare them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from features.clock import Clock
from training.tracking import Tracking
from training.tuning.found import Found
from training.tuning.ground import SHARES
from training.tuning.notes import Noted

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT: Final = "tuning"
STUDY: Final = "tuning.study"
STATE: Final = "tuning.state"
TRIAL: Final = "tuning.trial"
PARENT: Final = "mlflow.parentRunId"
MOST: Final = 10_000
"""Trials of one study that are looked for."""


@dataclass(frozen=True)
class Label:
    """What is said of a study.

    Attributes:
        study: Names it; the same after an interruption.
        algorithm: What is tuned.
        metric: That trials are scored by, as MLflow shall name it.
        tags: Of its runs: the data version.
    """

    study: str
    algorithm: str
    metric: str
    tags: Mapping[str, str]


class TrialRuns:
    """The runs of one study, each trial logged once, however often the study was interrupted.

    A trial takes three requests. So trials are logged several at a time, beside the budget.

    Args:
        tracking: Where.
        label: Of the study.
        clock: Tells when a trial ended.

    Raises:
        RegistryUnavailable: MLflow does not answer.
    """

    def __init__(self, tracking: Tracking, label: Label, clock: Clock) -> None:
        self._tracking, self._label, self._clock = tracking, label, clock
        with tracking.client() as client:
            self._experiment = tracking.experiment(client, EXPERIMENT)
            parents = self._runs(client, STUDY, label.study)
            self._parent = parents[0].info.run_id if parents else self._begun(client)
            self._logged = self._known(client)

    def log(self, trials: Sequence[Noted]) -> None:
        """Log those trials of the study, in their order, that were not logged yet.

        Raises:
            RegistryUnavailable: MLflow does not answer.
        """
        with self._tracking.client() as client:
            for number in range(len(trials)):
                if number not in self._logged:
                    self._log(client, number, trials[number])
                    self._logged.add(number)

    def close(self, found: Found, best: Mapping[str, Any]) -> None:
        """Say what the study found.

        Args:
            found: It.
            best: Parameter name → its value in the best recipe.

        Raises:
            RegistryUnavailable: MLflow does not answer.
        """
        from mlflow.entities import Metric, RunTag  # noqa: PLC0415 - takes seconds

        now = self._now()
        values = {
            self._label.metric: found.score,
            f"{self._label.metric}/default": found.default,
            "trials": found.trials,
            "pruned": found.pruned,
            "seconds": found.seconds,
        }
        with self._tracking.client() as client:
            # A study may go on, and find better: tags can change, a run's parameters can't.
            client.log_batch(
                self._parent,
                metrics=[Metric(name, one, now, found.trials) for name, one in values.items()],
                tags=[RunTag(f"best.{name}", str(value)) for name, value in best.items()],
            )
            client.set_terminated(self._parent, end_time=now)

    def _begun(self, client: MlflowClient) -> str:
        label = self._label
        tags = {**label.tags, STUDY: label.study, "algorithm": label.algorithm}
        name = f"tuning {label.algorithm}"
        run = client.create_run(self._experiment, self._now(), tags, run_name=name)
        return str(run.info.run_id)

    def _known(self, client: MlflowClient) -> set[int]:
        """Numbers of the trials that were logged; what was begun only is deleted."""
        known: set[int] = set()
        for run in self._runs(client, PARENT, self._parent):
            if run.info.status == "RUNNING":
                client.delete_run(run.info.run_id)
            else:
                known.add(int(run.data.tags[TRIAL]))
        return known

    def _log(self, client: MlflowClient, number: int, trial: Noted) -> None:
        from mlflow.entities import Metric, Param  # noqa: PLC0415 - takes seconds

        label, end = self._label, self._now()
        tags = {
            **label.tags,
            "algorithm": label.algorithm,
            PARENT: self._parent,
            TRIAL: str(number),
            STATE: trial.state,
        }
        start = end - round(trial.seconds * 1_000)
        name = f"{label.algorithm} trial {number}"
        run = client.create_run(self._experiment, start, tags, run_name=name).info.run_id
        client.log_batch(
            run,
            metrics=[
                Metric(label.metric, score, end, round(100 * share))
                for share, score in zip(SHARES, trial.scores, strict=False)
            ]
            + [Metric("seconds", trial.seconds, end, 0)],
            params=[Param(name, str(value)) for name, value in trial.params.items()],
        )
        status = "FAILED" if trial.state == "failed" else "FINISHED"
        client.set_terminated(run, status, end)

    def _runs(self, client: MlflowClient, tag: str, value: str) -> list[Any]:
        """Runs with a tag; of MLflow's type, which it does not export as one."""
        where = f"tags.`{tag}` = '{value}'"
        return list(client.search_runs([self._experiment], where, max_results=MOST))

    def _now(self) -> int:
        return int(self._clock.now().timestamp() * 1_000)
