"""The gate: a challenger becomes champion only when it is better on the same customers."""

from __future__ import annotations

from dataclasses import dataclass

from serving.model.bundle import Bundle
from training.evaluate import Evaluation
from training.metrics import NDCG, Interval, name_at

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
        difference: Challenger − champion with its paired bootstrap interval; None when not judged.
    """

    promote: bool
    reason: str
    metric: str = GATE_METRIC
    challenger: float = float("nan")
    champion: float = float("nan")
    difference: Interval | None = None


def decide(challenger: Evaluation, champion: Evaluation, *, metric: str = GATE_METRIC) -> Decision:
    """Promote when the paired bootstrap interval of the difference lies above 0.

    Args:
        challenger: The new version's evaluation.
        champion: The champion's, or popularity's when there is none, of the same question on the
            same held-out data.
        metric: A metric of single customers.
    """
    raise NotImplementedError


def refuse_unsound(bundle: Bundle) -> Decision | None:
    """A refusal when a bundle can't serve: not finite, or arrays that don't fit; else None."""
    raise NotImplementedError
