"""Is the challenger surely better than the champion, and is nobody surely worse off?

Two kinds of sureness. To be promoted a challenger must be *surely better* overall: the paired
bootstrap interval of the difference lies above 0. To be refused for a guard (a slice of customers,
the other question) it must be *surely worse* there, by more than a tolerance: a guard looks at few
customers, and a better model that is a little worse for some by luck has to get through.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from features.errors import GateRefused
from training.checks import BETTER, check
from training.evaluate import Evaluation
from training.metrics import (
    FEWEST,
    NDCG,
    Interval,
    bootstrap_difference,
    name_at,
    too_few,
)
from training.reports import Check

GATE_METRIC: Final = name_at(NDCG, 20)
COVERAGE: Final = "coverage_20"
TOLERANCE: Final = 0.05
"""Share of what the champion finds that a guarded slice or question may lose: less than that is
what a refit with another seed does."""
SLICE_CUSTOMERS: Final = 30
"""A slice of fewer is not judged: it says nothing surely but by chance."""
DOUBT: Final = 0.05
"""The chance that a challenger which is just as good is refused by any guard; the guards share it
(Bonferroni)."""
COVERAGE_LOST: Final = 0.25
"""Share of the catalogue that is shown at all which may be lost. Halving it is how a model that
retreats to bestsellers looks; neighbouring algorithms differ by less than a quarter."""
TOO_GOOD: Final = 3.0
"""A challenger that finds so many times what a personal champion finds has seen the answers: tuning
and new algorithms win some tens of per cent in the published tables."""

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Contest:
    """How two models answered one question for the same customers.

    Attributes:
        question: Its name.
        challenger: The new algorithm's name.
        champion: What the reason calls the other.
        ours: The metric of each customer by the challenger, (customers,).
        theirs: By the champion, (customers,).
        coverage: Shares of the catalogue that the two showed; NaN where not measured.
        slices: Name → which customers, (customers,).
        metric: What `ours` and `theirs` are.
        personal: Whether the champion is a personal model, and no baseline.
    """

    question: str
    challenger: str
    champion: str
    ours: Floats
    theirs: Floats
    coverage: tuple[float, float] = (float("nan"), float("nan"))
    slices: Mapping[str, Mask] = field(default_factory=dict)
    metric: str = GATE_METRIC
    personal: bool = False


def contest(
    challenger: Evaluation,
    champion: Evaluation,
    slices: Mapping[str, Mask] | None = None,
    *,
    metric: str = GATE_METRIC,
    against: str | None = None,
) -> Contest:
    """The contest of two evaluations.

    Args:
        challenger: The new version's evaluation.
        champion: The champion's, or popularity's when there is none, of the same question on the
            same held-out data.
        slices: Name → which of the customers.
        metric: A metric of single customers.
        against: What the reason calls the champion; its algorithm when None, for a baseline.

    Raises:
        GateRefused: The two were not judged by the same question on the same customers.
    """
    if (challenger.question, challenger.customers) != (champion.question, champion.customers):
        message = (
            f"the challenger answered {challenger.question!r} for {len(challenger.customers)} "
            f"customers, the champion {champion.question!r} for {len(champion.customers)}: "
            "judge both on the same held-out data"
        )
        raise GateRefused(message)
    unknown = Interval(float("nan"), float("nan"), float("nan"))
    return Contest(
        question=challenger.question,
        challenger=challenger.algorithm,
        champion=against or champion.algorithm,
        ours=challenger.per_customer[metric],
        theirs=champion.per_customer[metric],
        coverage=(
            challenger.summary.get(COVERAGE, unknown).mean,
            champion.summary.get(COVERAGE, unknown).mean,
        ),
        slices=slices or {},
        metric=metric,
        personal=against is not None and champion.algorithm != "popularity",
    )


def check_better(one: Contest) -> tuple[Check, Interval]:
    """Surely better: the interval of the paired difference lies above 0, over enough customers.

    Returns:
        The check, and challenger - champion with its paired bootstrap interval.
    """
    gap = bootstrap_difference(one.ours, one.theirs)
    customers = len(one.ours)
    # NaN compares false: what can't be compared is not promoted.
    passed = gap.low > 0 and customers >= FEWEST
    verb = "beats" if passed else "does not beat"
    ours, theirs = _mean(one.ours), _mean(one.theirs)
    found = (
        f"{one.challenger} {verb} {one.champion}: {one.metric} {ours:.4f} against {theirs:.4f}, "
        f"difference {gap.mean:+.4f} (95 % interval {gap.low:+.4f} to {gap.high:+.4f}) over "
        f"{customers} customers{too_few(customers)}"
    )
    evidence = {
        "challenger": ours,
        "champion": theirs,
        "difference": gap.mean,
        "low": gap.low,
        "high": gap.high,
        "customers": customers,
    }
    return check(BETTER, passed=passed, found=found, evidence=evidence), gap


def check_guards(primary: Contest, others: Sequence[Contest]) -> list[Check]:
    """Every slice of the primary question, and every other question: none surely worse."""
    judged = {
        f"slice {name}": (primary.ours[mask], primary.theirs[mask])
        for name, mask in primary.slices.items()
        if mask.sum() >= SLICE_CUSTOMERS
    }
    judged |= {f"question {one.question}": (one.ours, one.theirs) for one in others}
    level = 1.0 - 2.0 * DOUBT / max(1, len(judged))
    return [_guard(name, *values, level) for name, values in judged.items()]


def check_coverage(one: Contest) -> Check:
    """The share of the catalogue that anybody is shown has not fallen."""
    ours, theirs = one.coverage
    # Not `<`: where nothing was measured there is nothing to guard.
    fallen = ours < (1.0 - COVERAGE_LOST) * theirs
    return check(
        "coverage",
        passed=not fallen,
        found=f"{ours:.1%} of the items are shown to anybody, by {one.champion} {theirs:.1%}",
        cure="the model retreats to fewer items; compare slates by `homing compare`",
        evidence={"challenger": ours, "champion": theirs, "may_lose": COVERAGE_LOST},
    )


def check_believable(one: Contest) -> Check:
    """Not better by more than anything honest is: then it has seen what it is asked."""
    ours, theirs = _mean(one.ours), _mean(one.theirs)
    times = ours / theirs if theirs > 0 else float("nan")
    return check(
        "believable",
        passed=not (one.personal and times > TOO_GOOD),
        found=f"{times:.1f} times the {one.metric} of {one.champion}",
        cure="look for held-out time in what it was fitted on",
        evidence={"times": times, "at_most": TOO_GOOD},
    )


def _guard(name: str, ours: Floats, theirs: Floats, level: float) -> Check:
    gap = bootstrap_difference(ours, theirs, level=level)
    allowed = -TOLERANCE * _mean(theirs)
    return check(
        name,
        passed=not gap.high < allowed,
        found=(
            f"{_mean(ours):.4f} against {_mean(theirs):.4f}, difference {gap.mean:+.4f} "
            f"({level:.1%} interval {gap.low:+.4f} to {gap.high:+.4f}) over {len(ours)} customers"
        ),
        cure=f"it must not surely lose more than {TOLERANCE:.0%}",
        evidence={"difference": gap.mean, "low": gap.low, "high": gap.high, "customers": len(ours)},
    )


def _mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")
