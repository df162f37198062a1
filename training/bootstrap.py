"""The only place where training is wired: what the command line calls, one function a command.

Each takes the settings and opens, uses and closes what it needs. `progress` opens a named stage
(`features.progress.Stage`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from features.clock import Clock, SystemClock
from features.lake import Lake
from features.progress import Stage, silent
from features.stores.opening import open_stores
from serving.ranking.blocks import load_blocks
from training import champions
from training.compare.logged import log_page
from training.compare.page import write_page
from training.compare.report import Comparison
from training.compare.versions import compare_versions
from training.job import Job
from training.lock import only_one
from training.reports import (
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


def compare(
    settings: TrainingSettings, a: str, b: str, html: Path | None = None, *, log: bool = False
) -> Comparison:
    """Two versions side by side.

    Args:
        settings: Where the registry and the lake are.
        a: Like `recommender/11`, `recommender@champion`, or `champion` for the recommender's.
        b: The other one, of the same registered model.
        html: Where to write the page.
        log: Whether the page is kept with the run of `b` in MLflow, too.

    Raises:
        InvalidArgument: The two are not versions of one registered model, or the page can't be
            written.
        RegistryUnavailable: MLflow does not answer, or has no such version.
    """
    tracking = _tracking(settings)
    first, second = (champions.parse_version(text, tracking) for text in (a, b))
    lake = Lake(settings.resolved_lake_path())
    found = compare_versions(tracking, lake, SystemClock(), first, second)
    if log:
        found = log_page(tracking, second, found, f"compare-with-{'-'.join(first)}.html")
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
