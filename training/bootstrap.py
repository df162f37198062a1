"""The only place where training is wired: what the command line calls, one function a command.

Each takes the settings and opens, uses and closes what it needs. `progress` opens a named stage
(`features.progress.Stage`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from features.clock import Clock, SystemClock
from features.errors import InvalidArgument
from features.lake import Lake
from features.progress import Stage, silent
from features.stores.opening import open_stores
from serving.ranking.blocks import load_blocks
from training import champions
from training.compare import compare_versions
from training.compare_page import write_page
from training.job import Job
from training.lock import only_one
from training.register import MODELS, RECOMMENDER
from training.reports import (
    Comparison,
    Promotion,
    PublishReport,
    RetrainReport,
    TrainReport,
)
from training.settings import TrainingSettings
from training.tracking import Tracking


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
    with _job(settings, "training", progress, clock) as job:
        return job.train()


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
    if force and not reason:
        cure = "say why with --reason; it is kept with the version"
        raise InvalidArgument.of(reason, field="reason", reason="force needs a reason", cure=cure)
    clock = clock or SystemClock()
    with only_one(settings.home, "promotion", clock):
        tracking = _tracking(settings)
        model, number = champions.parse_version(version, tracking)
        return champions.promote(
            tracking, model, number, at=clock.now(), reason=reason, force=force
        )


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
    if model not in MODELS:
        cure = f"choose one of {', '.join(MODELS)}"
        raise InvalidArgument.of(model, field="model", reason="no such model", cure=cure)
    clock = clock or SystemClock()
    with only_one(settings.home, "rollback", clock):
        return champions.rollback(_tracking(settings), model, at=clock.now(), reason=reason)


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
    with _job(settings, "publishing", progress, clock) as job:
        return job.publish()


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
    with _job(settings, "retraining", progress, clock) as job:
        return job.retrain()


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
    tracking = _tracking(settings)
    first, second = (champions.parse_version(text, tracking) for text in (a, b))
    lake = Lake(settings.resolved_lake_path())
    found = compare_versions(tracking, lake, SystemClock(), first, second)
    return write_page(found, html) if html else found


def _tracking(settings: TrainingSettings) -> Tracking:
    return Tracking(settings.resolved_tracking_url(), settings.artifacts)


@contextmanager
def _job(
    settings: TrainingSettings, what: str, progress: Stage, clock: Clock | None
) -> Iterator[Job]:
    """A job over opened stores, under the lock of its home."""
    clock = clock or SystemClock()
    blocks = load_blocks(settings.blocks_file)
    with only_one(settings.home, what, clock):
        stores = open_stores(settings.resolved_store_url(), clock)
        try:
            yield Job(
                settings=settings,
                lake=Lake(settings.resolved_lake_path()),
                profiles=stores.profiles,
                catalogue=stores.catalogue,
                blocks=blocks,
                tracking=_tracking(settings),
                clock=clock,
                progress=progress,
            )
        finally:
            stores.close()
