"""What a campaign says: for whom which mail, what choosing is worth, and how sure that is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from features.errors import InvalidArgument
from features.progress import Advance
from training.uplift.campaign import Campaign
from training.uplift.crossfit import cross_fit
from training.uplift.groups import Group, groups
from training.uplift.policy import Value, choose, costs_of, values
from training.uplift.qini import Qini, qini


class Arm(msgspec.Struct, frozen=True, kw_only=True):
    """One arm.

    Attributes:
        name: Its name.
        customers: How many got it.
        mean: Of their outcome.
        chosen: Share of all customers whom the policy gives it.
    """

    name: str
    customers: int
    mean: float
    chosen: float


class UpliftReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a randomised campaign says.

    Attributes:
        measure: What the outcome is called; all values are in its units, a customer.
        control: The arm that got nothing.
        customers: How many there are.
        features: How many columns uplift was learnt from.
        left_out: Column → why it is no feature.
        arms: The control first.
        learners: Learner → folds that chose it.
        values: What choosing for each customer is worth, then each arm for everybody.
        best: The single arm that is worth most, doubly robust.
        beaten: Whether choosing is surely better than every single arm: the interval of its gain
            lies above 0.
        says: The conclusion in one sentence.
        groups: For whom which mail, in a few groups.
        qini: One for each arm but the control.
    """

    measure: str
    control: str
    customers: int
    features: int
    left_out: dict[str, str]
    arms: tuple[Arm, ...]
    learners: dict[str, int]
    values: tuple[Value, ...]
    best: str
    beaten: bool
    says: str
    groups: tuple[Group, ...]
    qini: tuple[Qini, ...]


def analyse(
    campaign: Campaign,
    advance: Advance,
    *,
    costs: Mapping[str, float] | None = None,
    seed: int = 17,
) -> UpliftReport:
    """Learn who gains from what, and judge it on customers that were not learnt from.

    Args:
        campaign: Randomised; as `read_campaign` checks it.
        advance: Told of folds done, and of all.
        costs: Arm → cost of sending it to one customer, in units of the outcome; 0 where not said.
        seed: Of folds and resamples.

    Raises:
        InvalidArgument: A cost is of no arm.
    """
    unknown = sorted(set(costs or {}) - set(campaign.arms))
    if unknown:
        cure = f"choose among {', '.join(campaign.arms)}"
        raise InvalidArgument.of(unknown[0], field="cost", reason="no arm of this file", cure=cure)
    spent = costs_of(campaign, costs or {})
    crossed = cross_fit(campaign, advance, seed=seed)
    chosen = choose(crossed.effect, spent)
    found = values(campaign, chosen, crossed.mean, spent, seed=seed)
    best, beaten, says = conclude(found, campaign.arms[0], campaign.measure)
    return UpliftReport(
        measure=campaign.measure,
        control=campaign.arms[0],
        customers=len(campaign.arm),
        features=len(campaign.names),
        left_out=dict(campaign.left_out),
        arms=_arms(campaign, chosen),
        learners=dict(Counter(str(one) for one in crossed.learners)),
        values=tuple(found),
        best=best,
        beaten=beaten,
        says=says,
        groups=groups(campaign, chosen, crossed.effect - spent),
        qini=tuple(
            _qini(campaign, arm, crossed.effect[:, arm], seed)
            for arm in range(1, len(campaign.arms))
        ),
    )


def conclude(found: Sequence[Value], control: str, measure: str) -> tuple[str, bool, str]:
    """The best single arm, whether it is surely beaten, and what to do in one sentence.

    Args:
        found: Choosing first, then each arm for everybody.
        control: The arm that got nothing.
        measure: What the outcome is called.
    """
    _, *single = found
    best = max(single, key=lambda one: one.robust.mean)
    # Against every arm, not only the one that looks best: looking at all of them to find it is
    # paid for by that.
    beaten = all(one.gain_robust.low > 0 for one in single)
    gain = best.gain_robust
    told = f"{gain.mean:+.3g} of {measure} a customer [{gain.low:+.3g}, {gain.high:+.3g}]"
    if beaten:
        other = "mailing nobody" if best.policy == control else f"{best.policy} for everybody"
        return best.policy, True, f"Choose for each customer: {told} against {other}."
    advice = "Mail nobody" if best.policy == control else f"Send everybody {best.policy}"
    return best.policy, False, f"{advice}: choosing for each customer is not surely better, {told}."


def _arms(campaign: Campaign, chosen: NDArray[np.int64]) -> tuple[Arm, ...]:
    counts = np.bincount(campaign.arm)
    means = np.bincount(campaign.arm, campaign.outcome) / counts
    given = np.bincount(chosen, minlength=len(counts)) / len(chosen)
    return tuple(
        Arm(name=name, customers=int(count), mean=float(mean), chosen=float(share))
        for name, count, mean, share in zip(campaign.arms, counts, means, given, strict=True)
    )


def _qini(campaign: Campaign, arm: int, said: NDArray[np.float64], seed: int) -> Qini:
    pair = (campaign.arm == arm) | (campaign.arm == 0)
    got, outcome = campaign.arm[pair] == arm, campaign.outcome[pair]
    return qini(campaign.arms[arm], got, outcome, said[pair], seed=seed)
