"""The only place where training is wired: what the command line calls, one function a command.

Each takes the settings and opens, uses and closes what it needs. `progress` opens a named stage
(`features.progress.Stage`).
"""

from __future__ import annotations

from pathlib import Path

from features.clock import Clock, SystemClock
from features.progress import Stage, silent
from training.reports import (
    Comparison,
    Promotion,
    PublishReport,
    RetrainReport,
    TrainReport,
)
from training.settings import TrainingSettings

RECOMMENDER = "recommender"
CHURN = "churn"


def train(
    settings: TrainingSettings, progress: Stage = silent, clock: Clock | None = None
) -> TrainReport:
    """Make, judge and register the models; the best recommender becomes `challenger`.

    Nothing is promoted: the gate's verdict is kept with each version for `promote`.

    Raises:
        LakeMissing: There is no history.
        NotEnoughData: It is too short or too small to judge a recommender.
        AlreadyRunning: Another training job has the lock.
        RegistryUnavailable: MLflow does not answer.
    """
    raise NotImplementedError(settings, progress, clock or SystemClock())


def promote(
    settings: TrainingSettings,
    version: str,
    *,
    reason: str = "",
    force: bool = False,
    clock: Clock | None = None,
) -> Promotion:
    """Make a version the champion.

    Args:
        settings: Where the registry is.
        version: Like `recommender/12`, or `recommender` for its challenger.
        reason: Kept with the version.
        force: Promote even what the gate refused; needs a reason.
        clock: The machine's without one.

    Raises:
        GateRefused: The gate refused it, or judged it against a champion of the past.
        InvalidArgument: No such model, or force without a reason.
        RegistryUnavailable: MLflow does not answer, or there is no such version.
        AlreadyRunning: Another training job has the lock.
    """
    raise NotImplementedError(settings, version, reason, force, clock)


def rollback(
    settings: TrainingSettings,
    model: str = RECOMMENDER,
    *,
    reason: str = "",
    clock: Clock | None = None,
) -> Promotion:
    """Put the former champion back.

    Raises:
        Refused: There is no former champion.
        RegistryUnavailable: MLflow does not answer.
        AlreadyRunning: Another training job has the lock.
    """
    raise NotImplementedError(settings, model, reason, clock)


def publish(
    settings: TrainingSettings, progress: Stage = silent, clock: Clock | None = None
) -> PublishReport:
    """Write slates, scores, bands, segments and features of every customer, by the champions.

    An interrupted publish is finished by the next.

    Raises:
        RegistryUnavailable: There is no champion recommender, or MLflow does not answer.
        StoreUnavailable: Profiles can't be read or written.
        AlreadyRunning: Another training job has the lock.
    """
    raise NotImplementedError(settings, progress, clock)


def retrain(
    settings: TrainingSettings, progress: Stage = silent, clock: Clock | None = None
) -> RetrainReport:
    """Train, gate, promote and publish.

    Interrupted before the promotion it leaves champions and profiles as they were; interrupted
    after it, the next `retrain` or `publish` writes the rest.

    Raises:
        AlreadyRunning: Another training job has the lock.
        LakeMissing: There is no history.
        NotEnoughData: It is too short or too small to judge a recommender.
        RegistryUnavailable: MLflow does not answer.
        StoreUnavailable: Profiles can't be read or written.
    """
    raise NotImplementedError(settings, progress, clock)


def compare(settings: TrainingSettings, a: str, b: str, html: Path | None = None) -> Comparison:
    """Two versions side by side.

    Args:
        settings: Where the registry and the lake are.
        a: Like `recommender/11`, `recommender@champion`, or `champion` for the recommender's.
        b: The other one, of the same registered model.
        html: Where to write the page.

    Raises:
        InvalidArgument: The two are not versions of one registered model.
        RegistryUnavailable: MLflow does not answer, or has no such version.
    """
    raise NotImplementedError(settings, a, b, html)
