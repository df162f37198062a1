"""Who serves, for the command line: what needs nothing but the registry.

Wired apart from training, whose libraries take seconds to import, and without MLflow's own where a
server answers over HTTP: a champion that misbehaves has to go at once.
"""

from __future__ import annotations

from features.clock import Clock, SystemClock
from features.errors import InvalidArgument
from serving.model.mlflow_http import HttpVersions, reaches
from serving.model.mlflow_library import check_database
from serving.model.versions import Versions
from training import champions
from training.lock import only_one
from training.register import MODELS, RECOMMENDER
from training.reports import Promotion, Promotions
from training.settings import TrainingSettings
from training.tracking import Tracking


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
    versions = _versions(settings)
    with only_one(settings.home, "promotion", clock):
        model, number = champions.parse_version(version, versions)
        act = champions.Act("homing promote", clock.now(), reason)
        return champions.promote(versions, model, number, act, force=force)


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
    _check_model(model)
    clock = clock or SystemClock()
    versions = _versions(settings)
    with only_one(settings.home, "rollback", clock):
        act = champions.Act("homing rollback", clock.now(), reason)
        return champions.rollback(versions, model, act)


def promotions(settings: TrainingSettings, model: str = RECOMMENDER) -> Promotions:
    """Who became champion, when, by whom, and on what evidence; the newest first.

    Raises:
        InvalidArgument: No such model.
        RegistryUnavailable: MLflow does not answer.
    """
    _check_model(model)
    return champions.promotions(_versions(settings), model)


def _check_model(model: str) -> None:
    if model not in MODELS:
        cure = f"choose one of {', '.join(MODELS)}"
        raise InvalidArgument.of(model, field="model", reason="no such model", cure=cure)


def _versions(settings: TrainingSettings) -> Versions:
    url = settings.resolved_tracking_url()
    check_database(url)
    return HttpVersions(url) if reaches(url) else Tracking(url, settings.artifacts)
