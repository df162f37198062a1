"""All that the gate looks at, and what follows from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from serving.model.bundle import Bundle
from serving.model.manifest import DataFacts
from training.checks import reason_of
from training.gate.behaviour import (
    check_finite,
    check_learnt,
    check_personal,
    check_recalls,
    check_repeatable,
    sample_of,
)
from training.gate.bundle import check_no_customers, check_popularity, check_size, check_sound
from training.gate.contest import (
    Contest,
    check_believable,
    check_better,
    check_coverage,
    check_guards,
)
from training.gate.origin import (
    Origin,
    check_catalogue,
    check_categories,
    check_facts,
    check_id_map,
    check_items,
    check_leak,
    check_shrunk,
)
from training.heldout import HeldOut
from training.reports import Check, Verdict


def check_made(
    bundle: Bundle,
    origin: Origin,
    held_out: HeldOut,
    champion: DataFacts | None,
) -> tuple[Check, ...]:
    """All that is looked at in one bundle.

    Args:
        bundle: Twin or final.
        origin: What it may have been made of.
        held_out: Customers to score, by what they did before T.
        champion: What the champion was made of; None without one.

    Returns:
        The checks; those that score nobody only, when it can't be opened.
    """
    size = check_size(bundle)
    if not size.passed:
        return (size,)
    sound = check_sound(bundle)
    if not sound.passed:
        return (size, sound)
    sample = sample_of(bundle, held_out)
    return (
        size,
        sound,
        check_no_customers(bundle),
        check_popularity(bundle),
        check_leak(bundle, origin),
        check_facts(bundle, origin),
        check_items(bundle, origin),
        check_categories(bundle, origin),
        check_catalogue(bundle, origin),
        check_id_map(bundle, origin),
        check_shrunk(bundle, champion),
        check_finite(sample),
        check_repeatable(sample),
        check_recalls(sample),
        check_learnt(sample),
        check_personal(sample),
    )


def decide(
    primary: Contest, others: Sequence[Contest], against: str, checks: Iterable[Check] = ()
) -> Verdict:
    """The verdict: refused when any check fails, of these or of the contests.

    Args:
        primary: Of the question that the gate asks: the challenger must win it.
        others: Of questions that it must not lose.
        against: What it was compared with: `recommender/11`, or a baseline like `popularity`.
        checks: Of data and bundles; they are told first.
    """
    better, gap = check_better(primary)
    looked_at = (
        *checks,
        better,
        *check_guards(primary, others),
        check_coverage(primary),
        check_believable(primary),
    )
    return Verdict(
        passed=all(one.passed for one in looked_at),
        against=against,
        metric=primary.metric,
        difference=gap.mean,
        low=gap.low,
        high=gap.high,
        reason=reason_of(looked_at) or better.reason,
        checks=looked_at,
    )
