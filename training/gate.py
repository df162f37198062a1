"""The gate: a challenger becomes champion only when it is better on the same customers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.errors import BundleError, GateRefused
from serving.model.bundle import Bundle, check_bundle
from serving.model.scoring import open_scorer
from training.evaluate import Evaluation
from training.metrics import FEWEST, NDCG, Interval, bootstrap_difference, name_at, too_few

GATE_METRIC = name_at(NDCG, 20)


@dataclass(frozen=True)
class Decision:
    """Whether a challenger may become champion.

    Attributes:
        promote: The answer.
        reason: One line that a person can check.
        metric: What was compared.
        challenger: The challenger's mean; NaN when it was not judged.
        champion: The champion's mean; NaN when it was not judged.
        difference: Challenger - champion with its paired bootstrap interval; None when not judged.
    """

    promote: bool
    reason: str
    metric: str = GATE_METRIC
    challenger: float = float("nan")
    champion: float = float("nan")
    difference: Interval | None = None


def decide(
    challenger: Evaluation,
    champion: Evaluation,
    *,
    metric: str = GATE_METRIC,
    against: str | None = None,
) -> Decision:
    """Promote when the paired bootstrap interval of the difference lies above 0.

    Fewer than `FEWEST` customers never promote.

    Args:
        challenger: The new version's evaluation.
        champion: The champion's, or popularity's when there is none, of the same question on the
            same held-out data.
        metric: A metric of single customers.
        against: What the reason calls the champion; its algorithm when None.

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
    one, other = challenger.per_customer[metric], champion.per_customer[metric]
    difference = bootstrap_difference(one, other)
    # NaN compares false: what can't be compared is not promoted.
    promote = difference.low > 0 and len(one) >= FEWEST
    verb = "beats" if promote else "does not beat"
    rival = against or champion.algorithm
    reason = (
        f"{challenger.algorithm} {verb} {rival}: {metric} {np.nanmean(one):.4f} "
        f"against {np.nanmean(other):.4f}, difference {difference.mean:+.4f} "
        f"(95 % interval {difference.low:+.4f} to {difference.high:+.4f}) over {len(one)} customers"
        f"{too_few(len(one))}"
    )
    return Decision(
        promote, reason, metric, float(np.nanmean(one)), float(np.nanmean(other)), difference
    )


def refuse_unsound(bundle: Bundle) -> Decision | None:
    """A refusal when a bundle can't serve: not finite, or arrays that don't fit; else None."""
    try:
        check_bundle(bundle)
        open_scorer(bundle)
    except BundleError as error:
        return Decision(promote=False, reason=f"the bundle can't serve: {error}")
    return None
