"""Fits what the parts of a blend weigh, on validation time.

Every customer is a choice among candidates, the best of each part: those bought in validation time
should come before the others. The weights maximise the likelihood of that under a softmax over the
candidates (Cao et al., "Learning to Rank: From Pairwise Approach to Listwise Approach", 2007).
First come the weights among new items, by what customers bought who had not had it; then, with
these as they are, the weights of what a customer has, by all that was bought. So one blend serves
blocks that repeat and blocks that don't, and neither spoils the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from features.item import Item
from serving.model.blend import Cells, comparable, owned_cells
from serving.model.bundle import Bundle
from serving.model.manifest import Say
from serving.model.scoring import open_scorer
from serving.ranking.blocks import Block
from serving.ranking.bundle_view import bundle_view
from serving.ranking.top import EMPTY, best_rows
from training.heldout import HeldOut
from training.judging import Question, Trial, questions
from training.recommenders.blend import Blend, Ingredient, blend_of
from training.recommenders.recipe import Recipe

DEPTH: Final = 60
"""Best items of each part that are candidates."""
BATCH: Final = 64
"""Customers scored at once."""
RIDGE: Final = 0.1
"""On the squared weights of features brought to one scale: what parts say alike is shared out among
them, so that weights hold when times change."""
QUIET: Final = 0.02
"""A part none of whose weights reaches this share of the greatest counts nothing."""
LEAST_SCALE: Final = 1e-3
"""Of the new items' score against that of what customers have."""
ANYTHING: Final = Block(name="anything", size=1, allow_repeats=True)
"""The question what a customer buys at all."""
CROWD: Final = 0.5
"""Power of a customer's number of targets that divides its say: who buys much says more of it, but
not in proportion."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Choices:
    """Candidates of several customers, one customer after the other.

    Attributes:
        known: Each part's comparable scores, float32 (candidates, parts).
        had: Which the customer has, (candidates,).
        wanted: Which were bought, (candidates,).
        customers: Number of each candidate's customer, (candidates,), ascending.
    """

    known: NDArray[np.float32]
    had: NDArray[np.bool_]
    wanted: NDArray[np.bool_]
    customers: NDArray[np.int64]

    def where(self, kept: NDArray[np.bool_]) -> Choices:
        """Some of the candidates."""
        return Choices(self.known[kept], self.had[kept], self.wanted[kept], self.customers[kept])


def fit_blend(recipes: Sequence[Recipe], choices: Choices) -> Blend:
    """The blend of some recipes that suits what customers chose best.

    Args:
        recipes: Of the parts.
        choices: From `choices_of` of what they made, in their order.
    """
    new, again, bonus = fit_weights(choices)
    least = QUIET * max(np.abs(new).max(), np.abs(again).max())
    ingredients = [
        Ingredient(recipe, Say(*ours.tolist()), Say(*theirs.tolist()))
        if max(np.abs(ours).max(), np.abs(theirs).max()) >= least
        else Ingredient(recipe, Say())
        for recipe, ours, theirs in zip(
            recipes, new.reshape(2, -1).T, again.reshape(2, -1).T, strict=True
        )
    ]
    return blend_of(ingredients, bonus)


def choices_of(
    bundles: Sequence[Bundle], held_out: HeldOut, catalogue: Mapping[str, Item] | None
) -> Choices:
    """What customers could choose among, and did.

    Args:
        bundles: Of the parts, all of the same items.
        held_out: What they chose.
        catalogue: Item id → item; every item is available when None.
    """
    trial = Trial(bundles[0], held_out, bundle_view(bundles[0], catalogue))
    (question,) = questions(trial, [ANYTHING])
    scorers = [open_scorer(bundle) for bundle in bundles]
    baskets = held_out.baskets_at(trial.rows, len(bundles[0].items))
    batches = []
    for first in range(0, len(baskets), BATCH):
        part = baskets.part(first, min(first + BATCH, len(baskets)))
        owned = owned_cells(part)
        known = [comparable(scorer.score(part), owned)[:2] for scorer in scorers]
        batches.append(_choices(trial, question, known, owned, first))
    return Choices(
        np.concatenate([one.known for one in batches]),
        np.concatenate([one.had for one in batches]),
        np.concatenate([one.wanted for one in batches]),
        np.concatenate([one.customers for one in batches]),
    )


def fit_weights(choices: Choices) -> tuple[Floats, Floats, float]:
    """What parts count.

    Returns:
        Weights and then roots among new items, (2 × parts,); the same of what customers have;
        and what these score beforehand.
    """
    features = np.concatenate([choices.known, np.sqrt(choices.known)], axis=1)
    fresh = ~choices.had
    new = _fitted(features[fresh], choices.where(fresh))
    # The new items' score comes in as it is; its scale against the others is fitted.
    had = choices.had[:, None]
    level = np.where(had, 0.0, (features @ new)[:, None])
    columns = np.concatenate([np.where(had, features, 0.0), had, level], axis=1)
    found = _fitted(columns, choices)
    # A scale of nothing or less would turn the order of new items round.
    found /= max(found[-1], LEAST_SCALE)
    return new, found[:-2], float(found[-2])


def _fitted(features: NDArray[np.floating[Any]], choices: Choices) -> Floats:
    """The weights of features that make what was bought likeliest.

    Customers none of whose candidates was bought say nothing. Where nobody bought any all features
    count the same.
    """
    spoke = np.isin(choices.customers, choices.customers[choices.wanted])
    if not spoke.any():
        return np.ones(features.shape[1])
    table = features[spoke].astype(np.float64)
    starts = np.flatnonzero(np.diff(choices.customers[spoke], prepend=-1))
    scale = np.maximum(table.std(axis=0), 1e-6)
    table /= scale
    wanted = choices.wanted[spoke]

    def loss(weights: Floats) -> tuple[float, Floats]:
        value, slope = softmax_loss(table @ weights, wanted, starts)
        return value + RIDGE * float(weights @ weights), slope @ table + 2 * RIDGE * weights

    found = minimize(loss, np.zeros(len(scale)), jac=True, method="L-BFGS-B")
    return np.asarray(found.x / scale)


def _choices(
    trial: Trial,
    question: Question,
    known: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]],
    owned: Cells,
    first: int,
) -> Choices:
    """The candidates of some customers: the best new items of each part, and all they have."""
    count, items = known[0][0].shape
    had = np.zeros((count, items), np.bool_)
    had[owned] = True
    open_to = np.broadcast_to(question.eligible, (count, items))
    candidates = had & open_to
    view = trial.view
    for new, _ in known:
        opened = np.where(open_to & ~had, new, np.float32(-np.inf))
        best = best_rows(opened, view.rank, view.by_rank, DEPTH)
        theirs, places = np.nonzero(best != EMPTY)
        candidates[theirs, best[theirs, places]] = True
    customers, places = np.nonzero(candidates)
    values = []
    for new, again in known:
        new[owned] = again
        values.append(new[customers, places])
    wanted = _wanted(trial, question, (first, first + count), items)
    return Choices(
        np.stack(values, axis=1),
        had[customers, places],
        wanted[customers, places],
        customers + first,
    )


def _wanted(
    trial: Trial, question: Question, edges: tuple[int, int], items: int
) -> NDArray[np.bool_]:
    """Which items each customer of a batch bought, (batch, items)."""
    bought = trial.held_out.wanted.where(question.wanted).part(*edges)
    rows = trial.rows[bought.items]
    wanted = np.zeros((edges[1] - edges[0], items), np.bool_)
    wanted[bought.customers[rows >= 0], rows[rows >= 0]] = True
    return wanted


def softmax_loss(
    scores: Floats, wanted: NDArray[np.bool_], starts: NDArray[np.int64]
) -> tuple[float, Floats]:
    """Mean over customers of -log softmax of what was bought, and its slope in the scores.

    Args:
        scores: (candidates,).
        wanted: Which were bought, (candidates,); at least one of every customer's.
        starts: Where each customer's candidates begin, (customers,).
    """
    lengths = np.diff(np.append(starts, len(scores)))
    tops = np.maximum.reduceat(scores, starts)
    raised = np.exp(scores - np.repeat(tops, lengths))
    sums = np.add.reduceat(raised, starts)
    bought = np.add.reduceat(wanted.astype(np.float64), starts)
    says = bought**-CROWD
    says /= says.sum()
    of_each = np.repeat(says, lengths) * wanted
    totals = says * bought
    value = float((totals * (np.log(sums) + tops)).sum() - (of_each * scores).sum())
    return value, np.asarray(np.repeat(totals / sums, lengths) * raised - of_each)
