"""Fits what the parts of a blend weigh, on validation time.

Every customer is a choice among candidates, the best of each part: those bought in validation time
should come before the others. The weights maximise the likelihood of that under a softmax over the
candidates (Cao et al., "Learning to Rank: From Pairwise Approach to Listwise Approach", 2007), once
for each question, so that one blend serves blocks that repeat and blocks that don't.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from features.item import Item
from serving.model.blend import comparable
from serving.model.bundle import Bundle
from serving.model.scoring import open_scorer
from serving.ranking.blocks import Block
from serving.ranking.view import item_view
from training.heldout import HeldOut
from training.judging import Question, Trial, questions
from training.recommenders.blend import Blend, Ingredient, blend_of
from training.recommenders.recipe import Recipe

DEPTH: Final = 60
"""Best items of each part that are candidates."""
BATCH: Final = 64
"""Customers scored at once."""
RIDGE: Final = 1e-4
"""On the squared weights of features brought to one scale: enough to settle ties between parts."""
CROWD: Final = 0.5
"""Power of a customer's number of targets that divides its say: who buys much says more of it, but
not in proportion."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Choices:
    """Candidates of several customers under one question, one customer after the other.

    Attributes:
        features: Each part's score and its square root, float32 (candidates, 2 × parts).
        wanted: Which were bought, (candidates,).
        starts: Where each customer's candidates begin, (customers,); every one bought some.
    """

    features: NDArray[np.float32]
    wanted: NDArray[np.bool_]
    starts: NDArray[np.int64]


def fit_blend(
    parts: Sequence[tuple[Recipe, Bundle]],
    held_out: HeldOut,
    catalogue: Mapping[str, Item] | None,
    blocks: Sequence[Block],
) -> Blend:
    """The blend of some recipes that suits held-out time best.

    Args:
        parts: Recipes, and what each made of the time before; all of the same items.
        held_out: Validation time.
        catalogue: Item id → item; every item is available when None.
        blocks: The questions that it shall answer.
    """
    choices = choices_of([bundle for _, bundle in parts], held_out, catalogue, blocks)
    weights = fit_weights(choices)
    return blend_of(
        [
            Ingredient(recipe, *(float(weight) for weight in pair))
            for (recipe, _), pair in zip(parts, weights.reshape(-1, 2), strict=True)
        ]
    )


def choices_of(
    bundles: Sequence[Bundle],
    held_out: HeldOut,
    catalogue: Mapping[str, Item] | None,
    blocks: Sequence[Block],
) -> list[Choices]:
    """What customers could choose among under each question; without those who chose nothing.

    Args:
        bundles: Of the parts, all of the same items.
        held_out: What they chose.
        catalogue: Item id → item; every item is available when None.
        blocks: The questions.
    """
    trial = Trial(bundles[0], held_out, item_view(bundles[0].items, catalogue))
    asked = questions(trial, blocks)
    gathered: list[list[Choices]] = [[] for _ in asked]
    for first, scores in _scored(bundles, held_out):
        for question, so_far in zip(asked, gathered, strict=True):
            so_far.append(_choices(trial, question, scores, first))
    return [_joined(of_one) for of_one in gathered]


def fit_weights(choices: Sequence[Choices]) -> Floats:
    """The weights of the features, (2 × parts,), each from 0; every question counts the same.

    A part that says less than nothing is left out rather than turned round. Where nobody chose any
    candidate all count the same.
    """
    known = [one for one in choices if len(one.starts)]
    if not known:
        return np.ones(choices[0].features.shape[1])
    scale = np.maximum(np.concatenate([one.features for one in known]).std(axis=0), 1e-6)

    def loss(weights: Floats) -> tuple[float, Floats]:
        told = [_loss(one, weights / scale) for one in known]
        value = sum(value for value, _ in told) + RIDGE * float(weights @ weights)
        slope = sum(slope for _, slope in told) / scale + 2 * RIDGE * weights
        return value, slope

    start = np.full(len(scale), 1.0 / len(scale))
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(scale))
    return np.asarray(found.x / scale)


def _scored(
    bundles: Sequence[Bundle], held_out: HeldOut
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Number of the first customer of each batch, and all parts' scores, (parts, batch, items)."""
    scorers = [open_scorer(bundle) for bundle in bundles]
    baskets = held_out.baskets(bundles[0].index)
    for first in range(0, len(baskets), BATCH):
        part = baskets.part(first, min(first + BATCH, len(baskets)))
        yield first, np.stack([comparable(scorer.score(part)) for scorer in scorers])


def _choices(trial: Trial, question: Question, scores: NDArray[np.float32], first: int) -> Choices:
    """The candidates of a batch of customers."""
    parts, count, items = scores.shape
    last = first + count
    open_to = np.broadcast_to(question.eligible, (count, items)).copy()
    closed = question.closed.part(first, last)
    open_to[closed.customers, closed.items] = False
    wanted = _wanted(trial, question, first, last, items)
    candidates = np.zeros((count, items), np.bool_)
    rows = np.arange(count)[:, None]
    depth = min(DEPTH, items)
    for of_part in scores:
        ranked = np.where(open_to, of_part, -1.0)
        candidates[rows, np.argpartition(-ranked, depth - 1, axis=1)[:, :depth]] = True
    candidates &= open_to
    # A customer whose purchases no part came near says nothing of the parts' weights.
    candidates &= np.any(candidates & wanted, axis=1, keepdims=True)
    customers, rows_of = np.nonzero(candidates)
    values = scores[:, customers, rows_of].T
    features = np.empty((len(values), 2 * parts), np.float32)
    features[:, 0::2], features[:, 1::2] = values, np.sqrt(values)
    starts = np.flatnonzero(np.diff(customers, prepend=-1))
    return Choices(features, wanted[customers, rows_of], starts)


def _wanted(
    trial: Trial, question: Question, first: int, last: int, items: int
) -> NDArray[np.bool_]:
    """Which items each customer of a batch bought, (batch, items)."""
    bought = trial.held_out.wanted.where(question.wanted).part(first, last)
    rows = trial.rows[bought.items]
    wanted = np.zeros((last - first, items), np.bool_)
    wanted[bought.customers[rows >= 0], rows[rows >= 0]] = True
    return wanted


def _joined(batches: Sequence[Choices]) -> Choices:
    sizes = np.cumsum([0, *(len(one.wanted) for one in batches)])
    return Choices(
        np.concatenate([one.features for one in batches]),
        np.concatenate([one.wanted for one in batches]),
        np.concatenate([one.starts + size for one, size in zip(batches, sizes, strict=False)]),
    )


def _loss(choices: Choices, weights: Floats) -> tuple[float, Floats]:
    """Mean over customers of -log softmax of what was bought, and its slope."""
    scores = choices.features @ weights.astype(np.float32)
    lengths = np.diff(np.append(choices.starts, len(scores)))
    tops = np.maximum.reduceat(scores, choices.starts)
    raised = np.exp(scores - np.repeat(tops, lengths))
    sums = np.add.reduceat(raised, choices.starts)
    bought = np.add.reduceat(choices.wanted.astype(np.float64), choices.starts)
    says = bought**-CROWD
    says /= says.sum()
    of_each = np.repeat(says, lengths) * choices.wanted
    totals = says * bought
    value = float((totals * (np.log(sums) + tops)).sum() - (of_each * scores).sum())
    pull = np.repeat(totals / sums, lengths) * raised - of_each
    return value, np.asarray(pull.astype(np.float32) @ choices.features, np.float64)
