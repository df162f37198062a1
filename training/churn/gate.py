"""The gate of churn models: surely better, honest, and of the labels that it says.

As for recommenders, all is looked at, and one thing that is wrong refuses. The history itself is
looked at apart (`training.gate.data`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.checks import BETTER, check, reason_of
from training.churn.cores import BLEND, RFM_LOGISTIC
from training.churn.metrics import AUC, LOG_LOSS, Outcome, difference, of_all, slope
from training.churn.model import ChurnModel
from training.churn.odds import log_odds
from training.churn.snapshots import Snapshot, joined
from training.metrics import FEWEST, Interval, too_few
from training.ranks import rank_correlation
from training.reports import Check, Verdict

CHAMPION: Final = "champion"
CHANCE, TOO_GOOD = 0.5, 0.995
"""A model whose AUC is not surely above the first has learnt nothing; above the second it has seen
who came back. Behaviour says a lot of churn, and never all."""
SLOPES: Final = (0.5, 2.0)
"""Slope of what came on the log-odds that were said: 1 is honest, 0 says nothing, below 0 says the
opposite. Wide, for on a hundred customers an honest one strays by a third."""
MEAN_OFF: Final = 0.1
"""How far the mean of what is said may lie from the share that churned."""
RATE_MOVED: Final = 1.5
"""How far the log-odds of churn may move between fitting and held-out time: 10 % to 33 %. More is
another definition, or a feed that ended."""
VARIED: Final = 0.05
"""Share of customers among whom a feature varied when it was fitted; then it must later, too."""
AGREEMENT: Final = 0.2
"""Rank correlation of what both twins say of the same customers: one recipe, a little more time."""
STEADY: Final = 1e-3
"""A standard deviation of probabilities below this is the same for everybody."""

_DICE: Final = "dice"
"""A model that says the same of everybody."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Trial:
    """All that is known of a churn model before it serves.

    Attributes:
        outcome: What models said of held-out customers, and what came.
        judged: The twin that spoke in `outcome`.
        final: What will serve.
        fitted_on: Snapshots of the twin, the latest first.
        tested_on: Snapshots of `outcome`.
        cutoff: Nothing from this moment on may be in the twin.
    """

    outcome: Outcome
    judged: ChurnModel
    final: ChurnModel
    fitted_on: Sequence[Snapshot]
    tested_on: Sequence[Snapshot]
    cutoff: datetime


def decide(trial: Trial, champion: str | None) -> Verdict:
    """Whether the blend may become champion: its log-loss must be surely lower.

    Args:
        trial: Of the model.
        champion: The version it must beat; without one, logistic regression.
    """
    rival, against = (CHAMPION, champion) if champion else (RFM_LOGISTIC, RFM_LOGISTIC)
    better, gap = check_better(trial.outcome, rival, against)
    said = trial.outcome.said[BLEND]
    happened = trial.outcome.happened
    checks = (
        check_leak(trial),
        check_probabilities(said),
        check_features(trial.fitted_on, trial.tested_on),
        check_base_rate(trial.judged.manifest.base_rate, float(happened.mean())),
        check_twins(trial),
        better,
        check_skill(trial.outcome, BLEND),
        check_calibration(happened, said),
    )
    return Verdict(
        passed=all(one.passed for one in checks),
        against=against,
        metric=LOG_LOSS,
        difference=gap.mean,
        low=gap.low,
        high=gap.high,
        reason=reason_of(checks) or better.reason,
        checks=checks,
    )


def check_better(outcome: Outcome, rival: str, against: str) -> tuple[Check, Interval]:
    """Surely better: the interval of the log-loss's paired difference lies below 0.

    Returns:
        The check, and the blend - rival with its interval.
    """
    gap = difference(outcome, BLEND, rival, LOG_LOSS)
    customers = len(np.unique(outcome.customers))
    passed = gap.high < 0 and customers >= FEWEST
    verb = "beats" if passed else "does not beat"
    found = (
        f"{BLEND} {verb} {against}: {LOG_LOSS} difference {gap.mean:+.4f} "
        f"(95 % interval {gap.low:+.4f} to {gap.high:+.4f}; lower is better) over "
        f"{customers} customers{too_few(customers)}"
    )
    evidence = {
        "difference": gap.mean,
        "low": gap.low,
        "high": gap.high,
        "customers": customers,
    }
    return check(BETTER, passed=passed, found=found, evidence=evidence), gap


def check_leak(trial: Trial) -> Check:
    """The twin saw nothing of held-out time, neither events nor labels."""
    as_of = trial.judged.manifest.data.as_of
    return check(
        "leak",
        passed=as_of <= trial.cutoff and all(one.at >= trial.cutoff for one in trial.tested_on),
        found=f"fitted on events before {as_of:%Y-%m-%d %H:%M}, labels included",
        cure=f"nothing from {trial.cutoff:%Y-%m-%d %H:%M} on may be known to it",
        evidence={"days_late": (as_of - trial.cutoff).days},
    )


def check_probabilities(said: Floats) -> Check:
    """What is said are probabilities, and not the same one for everybody."""
    broken = int((~((said >= 0) & (said <= 1))).sum())
    spread = float(said.std()) if not broken else float("nan")
    return check(
        "probabilities",
        passed=not broken and spread > STEADY,
        found=f"{broken} of {len(said)} are no probabilities; their deviation is {spread:.4f}",
        cure="the model says nothing of single customers",
        evidence={"broken": broken, "deviation": spread, "above": STEADY},
    )


def check_features(fitted_on: Sequence[Snapshot], tested_on: Sequence[Snapshot]) -> Check:
    """What told customers apart when it was fitted still does, and is a number."""
    fitted, tested = (joined(snapshots) for snapshots in (fitted_on, tested_on))
    broken = sorted(name for name, values in tested.items() if not np.isfinite(values).all())
    steady = sorted(
        name
        for name, values in fitted.items()
        if _varied(values) >= VARIED and _varied(tested[name]) == 0.0
    )
    found = f"{len(tested)} features are numbers and tell customers apart"
    if broken or steady:
        what = "holds what is no number" if broken else "is the same for all"
        found = f"feature {(broken or steady)[0]} {what}"
    return check(
        "features",
        passed=not broken and not steady,
        found=found,
        cure="the feed behind it has ended or changed: mend it, then train again",
        evidence={"broken": len(broken), "steady": len(steady)},
    )


def check_base_rate(fitted: float, came: float) -> Check:
    """As many churn as when it was fitted: churn still means the same."""
    said, now = log_odds(np.array([fitted, came])).tolist()
    moved = now - said
    return check(
        "base rate",
        passed=abs(moved) <= RATE_MOVED,
        found=f"{came:.1%} churned in held-out time, {fitted:.1%} when it was fitted",
        cure="are purchases missing on one side, or labels turned round?",
        evidence={"moved": moved, "at_most": RATE_MOVED},
    )


def check_twins(trial: Trial) -> Check:
    """What will serve reads the same features as its judged twin, and says much the same."""
    ours, theirs = trial.final.manifest, trial.judged.manifest
    features = joined(trial.tested_on)
    same = (ours.algorithm, ours.features, ours.horizon_days, ours.active_days) == (
        theirs.algorithm,
        theirs.features,
        theirs.horizon_days,
        theirs.active_days,
    )
    agreed = float("nan")
    if same:
        agreed = rank_correlation(
            *(one.probability(features) for one in (trial.final, trial.judged))
        )
    return check(
        "twins",
        passed=agreed >= AGREEMENT,
        found=(
            f"what will serve and what was judged rank customers alike by {agreed:.2f}"
            if same
            else "what will serve was made by another recipe than what was judged"
        ),
        cure=f"at least {AGREEMENT} is expected: were labels or features mixed up?",
        evidence={"correlation": agreed, "at_least": AGREEMENT},
    )


def check_skill(outcome: Outcome, name: str) -> Check:
    """It tells who churns surely better than chance, and not better than can be."""
    dice = {name: outcome.said[name], _DICE: np.zeros(len(outcome.happened))}
    lead = difference(replace(outcome, said=dice), name, _DICE, AUC)
    auc, low, high = (CHANCE + end for end in (lead.mean, lead.low, lead.high))
    knows_all = auc >= TOO_GOOD
    return check(
        "skill",
        passed=low > CHANCE and not knows_all,
        found=f"AUC {auc:.3f} (95 % interval {low:.3f} to {high:.3f})",
        cure=(
            "it knows the answers: look for later events in its features"
            if knows_all
            else "it has learnt nothing: were labels shuffled?"
        ),
        evidence={"auc": auc, "low": low, "above": CHANCE, "below": TOO_GOOD},
    )


def check_calibration(happened: NDArray[np.bool_], said: Floats) -> Check:
    """What is said comes about as often as it says."""
    off = float(said.mean() - happened.mean())
    steep = of_all(slope, happened, said)
    return check(
        "calibration",
        passed=abs(off) <= MEAN_OFF and SLOPES[0] <= steep <= SLOPES[1],
        found=(
            f"{said.mean():.1%} said on average, {happened.mean():.1%} came; slope of log-odds "
            f"{steep:.2f}"
        ),
        cure=f"a slope from {SLOPES[0]} to {SLOPES[1]} is expected: more history, or recalibrate",
        evidence={"off": off, "slope": steep, "at_least": SLOPES[0], "at_most": SLOPES[1]},
    )


def _varied(values: Floats) -> float:
    """Share of the values that differ from the most common one."""
    counts = np.unique(values, return_counts=True)[1]
    return 1.0 - float(counts.max()) / len(values)
