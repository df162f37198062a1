"""What the gate says of the models that a training made.

A recommender is asked about twice: its twin, which was fitted before held-out time and is judged
on it, and the final bundle, which will serve and which nobody can judge yet. Both must be made of
what they say, and behave; only then does the comparison count.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from features.errors import BundleError
from serving.model.bundle import Bundle
from training.checks import check, named, reason_of, unread
from training.evaluate import PRIMARY
from training.gate.bundle import check_twins
from training.gate.contest import contest
from training.gate.data import check_history
from training.gate.decision import check_made, decide
from training.gate.history import HistoryFacts
from training.gate.origin import origin_of
from training.gate.slices import slices_of
from training.recommend import CHAMPION, POPULARITY, History, Judged
from training.reports import Check, Verdict


def recommender_verdict(
    history: History, judged: Judged, final: Bundle, champion: str | None, data: Iterable[Check]
) -> Verdict:
    """The gate's decision on a recommender.

    Args:
        history: What it was made of.
        judged: What held-out time said.
        final: What will serve.
        champion: The version that had to be beaten; popularity when None.
        data: What was found of the history itself.
    """
    held_out, rival = judged.held_out, judged.champion
    answers, others = (
        judged.answers[judged.chosen],
        judged.answers[CHAMPION if rival else POPULARITY],
    )
    slices = slices_of(held_out.of(answers[PRIMARY].customers), history.catalogue)
    against = None if rival is None else "the champion"
    primary = contest(answers[PRIMARY], others[PRIMARY], slices, against=against)
    rest = [
        contest(answer, others[question], against=against)
        for question, answer in answers.items()
        if question != PRIMARY
    ]
    checks = (*data, *_bundles(history, judged, final))
    return decide(primary, rest, champion or POPULARITY, checks)


def history_checks(
    facts: HistoryFacts, fresh_days: int, champion_as_of: datetime | None
) -> tuple[Check, ...]:
    """What is found of the history that a model was made of, named as such."""
    return named("data", check_history(facts, fresh_days, champion_as_of))


def with_checks(verdict: Verdict, checks: Iterable[Check]) -> Verdict:
    """A verdict that looks at more, told first."""
    looked_at = (*checks, *verdict.checks)
    reason = reason_of(looked_at)
    return msgspec.structs.replace(
        verdict, passed=not reason, reason=reason or verdict.reason, checks=looked_at
    )


def without_champion(verdict: Verdict, champion: str, fault: BundleError) -> Verdict:
    """A verdict that had to be reached without the champion, and says so.

    Args:
        verdict: Against the baseline.
        champion: The version whose files can't be read, like `churn/3`.
        fault: Why not.
    """
    found = (
        f"{champion} is champion and can't be read by this version of Homing ({fault}): judged as "
        "though there were none"
    )
    told = check(unread(champion), passed=True, found=found)
    return msgspec.structs.replace(
        verdict, reason=f"{verdict.reason}; {found}", checks=(told, *verdict.checks)
    )


def _bundles(history: History, judged: Judged, final: Bundle) -> tuple[Check, ...]:
    """What is found of both twins."""
    span, twin = history.span, judged.bundles[judged.chosen]
    before = None if judged.champion is None else judged.champion.manifest.data
    known: list[Check] = []
    for name, bundle, until in (("twin", twin, span.fit_until), ("final", final, span.end)):
        # Read once more as of what the bundle says; when that is too late, it is told as a leak.
        data = history.dataset(min(bundle.manifest.data.as_of, until))
        origin = origin_of(data, history.catalogue, until, history.newcomers(until))
        known += named(name, check_made(bundle, origin, judged.held_out, before))
    return (*known, *named("final", [check_twins(final, twin)]))
