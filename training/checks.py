"""How the gate's checks say what they found."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from training.reports import Check

BETTER: Final = "better"
"""The check that compares; its reason is told without its name."""


def check(
    name: str,
    *,
    passed: bool,
    found: str,
    cure: str = "",
    evidence: Mapping[str, float] | None = None,
) -> Check:
    """What one check found.

    Args:
        name: Of the check.
        passed: Whether it lets the challenger through.
        found: What is so, whether that is good or bad.
        cure: What to do when it is bad.
        evidence: Name → figure; those that are no numbers are left out.
    """
    figures = {key: float(value) for key, value in (evidence or {}).items()}
    return Check(
        name=name,
        passed=bool(passed),
        reason=found if passed or not cure else f"{found}; {cure}",
        evidence={key: value for key, value in figures.items() if math.isfinite(value)},
    )


def named(group: str, checks: Iterable[Check]) -> tuple[Check, ...]:
    """The same checks, named as of a group, like `bundle: sound`."""
    return tuple(
        Check(f"{group}: {one.name}", one.passed, one.reason, one.evidence) for one in checks
    )


def unread(champion: str) -> str:
    """Name of the check that tells that a champion's files could not be read."""
    return f"unread: {champion}"


def reason_of(checks: Sequence[Check]) -> str:
    """One line for a person: what failed first, and how much else; "" when all passed."""
    failed = [one for one in checks if not one.passed]
    if not failed:
        return ""
    first = failed[0]
    name = "" if first.name == BETTER else f"{first.name}: "
    more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    return f"{name}{first.reason}{more}"
