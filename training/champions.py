"""Who serves: promotes versions to champion and rolls back, and writes down why.

Each version carries its history of promotions as a tag, a JSON list: what was done, when, by whom
and by what, for what reason and on what evidence. Aliases alone say who serves; stages are never
used.
"""

from __future__ import annotations

import getpass
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import msgspec

from features.errors import GateRefused, InvalidArgument, Refused, RegistryUnavailable
from serving.model.versions import Versions
from training.checks import unread
from training.register import CHALLENGER, CHAMPION, MODELS, verdict_of, version_name
from training.reports import Change, Evidence, Promotion, Promotions, Verdict

HISTORY: Final = "promotions"
"""The tag that holds a version's history."""
_VERSION: Final = re.compile(
    rf"(?P<model>[a-z]+)(?:/(?P<number>[0-9]{{1,18}})|@(?P<alias>{CHAMPION}|{CHALLENGER}))"
)


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"  # a container whose user has no name


@dataclass(frozen=True)
class Act:
    """Somebody changes the champion.

    Attributes:
        command: What they use, like `homing promote`.
        at: When, aware.
        reason: Why; "" takes the gate's.
        by: The operating system's name of who does it.
    """

    command: str
    at: datetime
    reason: str = ""
    by: str = field(default_factory=_who)


def parse_version(text: str, versions: Versions) -> tuple[str, str]:
    """Registered model and number of what a user wrote.

    Args:
        text: `recommender/12`, `recommender@champion`, `recommender` (its challenger),
            `champion` or `12` (of the recommender).
        versions: Of the registry, which knows the aliases.

    Raises:
        InvalidArgument: It is none of these.
        RegistryUnavailable: MLflow does not answer, or has no such alias.
    """
    found = _VERSION.fullmatch(_spelled_out(text))
    if found is None or found["model"] not in MODELS:
        raise InvalidArgument.of(
            text,
            field="version",
            reason="not a version of a registered model",
            cure="write it like recommender/12, recommender@champion or churn/3",
        )
    model, alias = found["model"], found["alias"]
    if not alias:
        return model, found["number"]
    number = versions.alias(model, alias)
    if number is None:
        message = f"{model} has no {alias} yet: run `homing train`"
        raise RegistryUnavailable(message)
    return model, number


def _spelled_out(text: str) -> str:
    """`12`, `champion` and `churn` as they are meant: `recommender/12` and so on."""
    if text in MODELS:
        return f"{text}@{CHALLENGER}"
    if text in {CHAMPION, CHALLENGER}:
        return f"{MODELS[0]}@{text}"
    return f"{MODELS[0]}/{text}" if text.isdigit() else text


def promote(
    versions: Versions, model: str, number: str, act: Act, *, force: bool = False
) -> Promotion:
    """Make a version the champion, if the gate let it pass against the present one.

    Raises:
        GateRefused: It was refused, never judged, or judged against another champion.
        RegistryUnavailable: MLflow does not answer, or has no such version.
    """
    tags = versions.version(model, number).tags
    former = versions.alias(model, CHAMPION)
    verdict = verdict_of(tags)
    refusal = _refusal(verdict, model, number, former)
    if refusal and not force:
        raise GateRefused(refusal)
    if former == number:
        return Promotion(version=version_name(model, number), former=None, reason="it is already")
    change = Change(
        did="promote",
        at=act.at,
        by=act.by,
        command=act.command,
        reason=act.reason or (verdict.reason if verdict else ""),
        former=former,
        forced=bool(refusal),
        evidence=_evidence(verdict),
    )
    _become(versions, model, number, tags, change)
    return _promotion(model, number, change)


def rollback(versions: Versions, model: str, act: Act) -> Promotion:
    """Put the champion back that was before the present one; again goes further back.

    Raises:
        Refused: There is no champion, or there was none before it.
        RegistryUnavailable: MLflow does not answer.
    """
    number = versions.alias(model, CHAMPION)
    if number is None:
        message = (
            f"{model} has no champion to roll back from: `homing train` makes a challenger, "
            "`homing promote` the champion"
        )
        raise Refused(message)
    tags = versions.version(model, number).tags
    promotions = [one for one in _changes(tags) if one.did == "promote"]
    former = promotions[-1].former if promotions else None
    if former is None:
        message = (
            f"{version_name(model, number)} had no champion before it: promote another version "
            "by `homing promote` instead"
        )
        raise Refused(message)
    tags = versions.version(model, former).tags
    change = Change(
        did="rollback",
        at=act.at,
        by=act.by,
        command=act.command,
        reason=act.reason or f"rolled back from {version_name(model, number)}",
        former=number,
        evidence=_evidence(verdict_of(tags)),
    )
    _become(versions, model, former, tags, change)
    return _promotion(model, former, change)


def promotions(versions: Versions, model: str) -> Promotions:
    """Every change of a model's champion, the newest first.

    Raises:
        RegistryUnavailable: MLflow does not answer.
    """
    champion = versions.alias(model, CHAMPION)
    found = [
        (version_name(model, version.number), change)
        for version in versions.versions(model)
        for change in _changes(version.tags)
    ]
    found.sort(key=lambda pair: pair[1].at, reverse=True)
    return Promotions(
        model=model,
        champion=None if champion is None else version_name(model, champion),
        changes=tuple(found),
    )


def _changes(tags: Mapping[str, str]) -> list[Change]:
    """The history of a version, the oldest first."""
    return msgspec.json.decode(tags.get(HISTORY, "[]"), type=list[Change])


def _evidence(verdict: Verdict | None) -> Evidence | None:
    if verdict is None:
        return None
    failed = tuple(one.name for one in verdict.checks if not one.passed)
    return Evidence(
        against=verdict.against,
        metric=verdict.metric,
        difference=_known(verdict.difference),
        low=_known(verdict.low),
        high=_known(verdict.high),
        passed=len(verdict.checks) - len(failed),
        failed=failed,
    )


def _known(figure: float) -> float | None:
    """A figure as JSON can hold it."""
    return figure if math.isfinite(figure) else None


def _refusal(verdict: Verdict | None, model: str, number: str, champion: str | None) -> str:
    """Why a version must not become champion; "" when it may."""
    name = version_name(model, number)
    if verdict is None:
        return f"{name} was never judged: train again, or force it and say why"
    if not verdict.passed:
        return f"{name} did not pass the gate: {verdict.reason}"
    present = version_name(model, str(champion))
    if champion in {None, number} or verdict.against == present:
        return ""
    if any(one.name == unread(present) for one in verdict.checks):
        return ""
    return (
        f"{name} was judged against {verdict.against}, and the champion is {present} now: train "
        "again, or force it and say why"
    )


def _become(
    versions: Versions, model: str, number: str, tags: Mapping[str, str], change: Change
) -> None:
    """Write the history first: a champion without a reason can't be, a reason without may."""
    history = msgspec.json.encode([*_changes(tags), change]).decode()
    versions.set_tag(model, number, HISTORY, history)
    versions.set_alias(model, CHAMPION, number)
    if versions.alias(model, CHALLENGER) == number:
        versions.drop_alias(model, CHALLENGER)


def _promotion(model: str, number: str, change: Change) -> Promotion:
    former = version_name(model, change.former) if change.former else None
    return Promotion(version=version_name(model, number), former=former, reason=change.reason)
