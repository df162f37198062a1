"""What is counted by the block is what the chain, asked customer by customer, would show."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from scipy.sparse import csr_array

from features.item import Item
from serving.model.basket import baskets_of
from serving.model.bundle import Bundle
from serving.model.scoring import open_scorer
from serving.ranking.blocks import Block
from serving.ranking.chain import Ask, blocked_items, eligible_rows, slate_rows
from serving.ranking.view import item_view
from tests.unit.training.samples import AT, UNTIL, WEIGHTING
from training import judging
from training.dataset import dataset_of
from training.evaluate import evaluate, question_blocks
from training.heldout import HeldOut, held_out_of
from training.metrics import rank_metrics
from training.recommenders import item_knn, popularity

CUSTOMERS, ITEMS = 60, 400
NAMES = [f"item-{n:03}" for n in range(ITEMS)]
PEOPLE = [f"ck_{n:032}" for n in range(CUSTOMERS)]
CATALOGUE = {
    name: Item(
        id=name,
        title=name,
        in_stock=n % 9 > 0,
        categories=("all", f"shelf-{n % 5}"),
        available_from=AT - timedelta(days=n) if n % 7 == 0 else None,
    )
    for n, name in enumerate(NAMES)
}
BLOCKS = (
    *question_blocks(),
    Block(name="capped", size=12, category_cap=2),
    Block(name="shaped", size=9, category_cap=3, popularity_cap=2, new_share=0.2, diversity=0.4),
    Block(name="one shelf", size=30, categories=("shelf-3",), allow_repeats=True),
    Block(name="patient", size=20, allow_repeats=True, repeat_after_days=1),
)


def bought(seed: int, each: int) -> csr_array[np.float32, tuple[int, int]]:
    """Some items of each customer, the early ones bought by many."""
    random = np.random.default_rng(seed)
    table = np.zeros((CUSTOMERS, ITEMS), np.float32)
    for customer in table:
        customer[(random.random(random.integers(1, each)) ** 2 * ITEMS).astype(int)] = 1
    return csr_array(table)


def shop() -> HeldOut:
    """Customers of whom some buy again what they had, with a price on everything."""
    held_out = held_out_of(bought(1, 30), bought(2, 20), PEOPLE, NAMES, (AT, UNTIL))
    spend = np.random.default_rng(3).integers(1, 50, len(held_out.wanted.items)).astype(float)
    return replace(held_out, wanted=replace(held_out.wanted, spend=spend))


def knn() -> Bundle:
    """A sparse model: silent about many items. It does not know the last ten."""
    data = dataset_of(bought(1, 30)[:, :390], PEOPLE, NAMES[:390], WEIGHTING, AT)
    return item_knn.fit(data, item_knn.ItemKnnParams(neighbours=8), AT)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.name)
def test_slates_hits_and_auc_are_those_of_the_chain_customer_by_customer(block: Block) -> None:
    held_out, bundle = shop(), knn()
    found = evaluate(bundle, held_out, CATALOGUE, blocks=[block])[block.name]
    view = item_view(bundle.items, CATALOGUE, bundle.popularity)
    scores = open_scorer(bundle).score(baskets_of(held_out.histories, bundle.index, AT))
    asked, places, counts, areas = [], [], [], []
    for n, history in enumerate(held_out.histories):
        blocked = blocked_items(block, history, AT)
        targets = held_out.targets[n] - blocked
        if not targets:
            continue
        rows = slate_rows(view, scores[n], Ask(block, history), AT)
        hits = [row < len(rows) and bundle.items[rows[row]] in targets for row in range(20)]
        closed = set(view.rows(blocked))
        open_rows = {
            row for row in np.flatnonzero(eligible_rows(view, block, AT)) if row not in closed
        }
        wanted = set(view.rows(targets)) & open_rows
        pairs = [
            float(scores[n][one] > scores[n][other]) + (scores[n][one] == scores[n][other]) / 2
            for one in wanted
            for other in open_rows - wanted
        ]
        asked.append(held_out.customers[n])
        places.append(hits)
        counts.append(len(targets))
        areas.append(np.mean(pairs) if pairs else np.nan)
    assert found.customers == tuple(asked)
    expected = rank_metrics(np.array(places), np.array(counts), 20)
    for name, values in expected.items():
        assert found.per_customer[name].tolist() == values.tolist()
    np.testing.assert_allclose(found.per_customer["auc"], areas, rtol=1e-12)


@pytest.mark.parametrize("blocks", [BLOCKS, question_blocks()], ids=["all", "questions"])
def test_questions_together_are_answered_as_each_alone(blocks: tuple[Block, ...]) -> None:
    together = evaluate(knn(), shop(), CATALOGUE, blocks=blocks)
    for block in blocks:
        alone = evaluate(knn(), shop(), CATALOGUE, blocks=[block])[block.name]
        for name, values in alone.per_customer.items():
            np.testing.assert_array_equal(together[block.name].per_customer[name], values)


def test_threads_and_the_size_of_blocks_of_customers_change_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = evaluate(knn(), shop(), CATALOGUE, threads=1)
    monkeypatch.setattr(judging, "SCORED", 7 * 390)
    monkeypatch.setattr(judging, "RANKED", 3 * 390)
    parts = evaluate(knn(), shop(), CATALOGUE, threads=3)
    for question, one in whole.items():
        assert list(one.per_customer) == list(parts[question].per_customer)
        for name, values in one.per_customer.items():
            np.testing.assert_array_equal(parts[question].per_customer[name], values)


def test_a_model_that_says_the_same_of_everybody_keeps_its_scores() -> None:
    data = dataset_of(bought(1, 30), PEOPLE, NAMES, WEIGHTING, AT)
    bundle = popularity.fit(data, popularity.PopularityParams(), AT)
    before = bundle.popularity.copy()
    first = evaluate(bundle, shop())["explore"]
    assert bundle.popularity.tolist() == before.tolist()
    again = evaluate(bundle, shop(), auc=False)["explore"]
    assert "auc" in first.means()
    assert "auc" not in again.per_customer
    assert again.means()["ndcg_20"] == first.means()["ndcg_20"] > 0
