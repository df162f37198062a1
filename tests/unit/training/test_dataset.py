from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

import numpy as np
import pytest
from scipy.sparse import csr_array

from features.errors import NotEnoughData
from features.event import Event, EventType
from serving.model.basket import baskets_of
from serving.model.weighting import Weighting
from tests.unit.training.samples import (
    AT,
    SIZE,
    WEIGHTING,
    checkerboard,
    checkerboard_dataset,
    histories_before,
    key,
    purchase,
    table,
)
from training.dataset import dataset_of, load_dataset


def shuffled_life(seed: int = 5) -> list[Event]:
    """Random events of every type that counts, and of some that do not."""
    random = Random(seed)  # noqa: S311 - a test's own dice
    kinds = [*WEIGHTING.types, EventType.SLATE_SERVED, EventType.SEARCH]
    events = []
    for number in range(400):
        at = AT - timedelta(seconds=random.uniform(-9e5, 9e6))
        kind = random.choice(kinds)
        item = None if kind is EventType.SEARCH else f"item-{random.randrange(15)}"
        event = purchase(random.randrange(8), item or "", at, kind)
        events.append(
            Event(id=str(number), type=kind, customer=event.customer, occurred_at=at, item=item)
        )
    return events


def test_the_matrix_is_what_serving_makes_of_each_history() -> None:
    weighting = Weighting({**WEIGHTING.types, EventType.SLATE_SERVED: 9.0}, half_life_days=20)
    events = table(shuffled_life())
    dataset = load_dataset(events, weighting, AT)
    index = {item: column for column, item in enumerate(dataset.items)}
    histories = histories_before(shuffled_life(), AT)
    assert len(dataset.customers) == 8
    for row, customer in enumerate(dataset.customers):
        basket = baskets_of([histories[customer]], index, AT).weights(weighting)
        cells = dataset.matrix[[row]].tocsr()
        assert cells.indices.tolist() == basket.indices.tolist()
        np.testing.assert_allclose(cells.data, basket.data, rtol=1e-6)


def test_the_same_data_can_be_weighed_otherwise() -> None:
    dataset = load_dataset(table(shuffled_life()), WEIGHTING, AT)
    views = Weighting({EventType.VIEW: 1.0}, half_life_days=None)
    other = dataset.under(views)
    assert (other.customers, other.items) == (dataset.customers, dataset.items)
    seen = [
        event
        for event in shuffled_life()
        if event.type is EventType.VIEW and event.occurred_at < AT and event.item in dataset.items
    ]
    assert other.matrix.sum() == len(seen) > 10


def test_nothing_from_t_on_is_seen() -> None:
    past = [event for event in shuffled_life() if event.occurred_at < AT]
    whole, before = (load_dataset(table(e), WEIGHTING, AT) for e in (shuffled_life(), past))
    assert whole.data == before.data
    edge = [*past, purchase(0, "on-the-dot", AT)]
    assert load_dataset(table(edge), WEIGHTING, AT).data == before.data


def test_the_data_version_says_what_was_read() -> None:
    data = checkerboard_dataset().data
    cells = SIZE * (SIZE // 2 - 1)
    assert (data.as_of, data.lake_version) == (AT, 7)
    assert (data.customers, data.items) == (SIZE, SIZE)
    assert (data.events, data.interactions) == (cells, cells)


def test_the_checksum_depends_on_the_data_and_not_on_its_order() -> None:
    events = shuffled_life()
    one, other = (load_dataset(table(e), WEIGHTING, AT) for e in (events, events[::-1]))
    assert one.data.checksum == other.data.checksum
    less = load_dataset(table(events[:-1]), WEIGHTING, AT - timedelta(days=1))
    assert less.data.checksum != one.data.checksum


def test_rows_and_columns_ascend() -> None:
    dataset = checkerboard_dataset()
    assert list(dataset.customers) == sorted(key(n) for n in range(SIZE))
    assert list(dataset.items) == sorted(dataset.items)


def test_what_was_taken_back_is_no_item_of_the_matrix() -> None:
    gone = [
        purchase(0, "regretted", AT - timedelta(days=3)),
        purchase(0, "regretted", AT - timedelta(days=2), EventType.RETURN),
    ]
    assert load_dataset(table([*checkerboard(), *gone]), WEIGHTING, AT).items == (
        checkerboard_dataset().items
    )


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([], "0 events of 0 customers"),
        ([purchase(1, "a", AT - timedelta(days=1))], "1 events of 1 customers"),
        ([purchase(n, "a", AT) for n in range(3)], "0 events of 0 customers"),
    ],
)
def test_too_little_history_is_refused_with_its_counts(events: list[Event], said: str) -> None:
    with pytest.raises(NotEnoughData, match=f"{said}.*needs at least 2"):
        load_dataset(table(events), WEIGHTING, AT)


def test_a_published_split_is_a_dataset_too() -> None:
    matrix = csr_array(np.array([[1, 0, 2], [0, 0, 1], [0, 0, 0]], np.float32))
    when = datetime(2000, 1, 1, tzinfo=UTC)
    dataset = dataset_of(matrix, ["u", "v", "w"], ["a", "b", "c"], WEIGHTING, when)
    assert (dataset.customers, dataset.items) == (("u", "v"), ("a", "c"))
    assert dataset.matrix.toarray().tolist() == [[1.0, 2.0], [0.0, 1.0]]
