from __future__ import annotations

from datetime import timedelta

import numpy as np

from features.event import EventType
from features.item import Item
from tests.unit.training.samples import AT, UNTIL, key, purchase, table
from training.heldout import HeldOut
from training.slices import NEW_INTERACTIONS, slices
from training.split import load_held_out

SHELVES = {
    name: Item(id=name, title=name, categories=(name[0], name)) for name in ("a1", "a2", "b1")
}


def customers(*histories: str) -> HeldOut:
    """One customer a history, like "a1 a2 b1", who then buy something."""
    events = [
        purchase(number, item, AT - timedelta(hours=hour + 1))
        for number, history in enumerate(histories)
        for hour, item in enumerate(history.split())
    ]
    views = [
        purchase(n, "b1", AT - timedelta(days=9), EventType.VIEW) for n in range(len(histories))
    ]
    after = [purchase(number, "x", AT) for number in range(len(histories))]
    return load_held_out(table([*events, *views, *after]), AT, UNTIL)


def who(held_out: HeldOut, mask: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> set[int]:
    """The numbers of the customers of a slice."""
    number = {key(n): n for n in range(99)}
    return {number[held_out.customers[place]] for place in np.flatnonzero(mask)}


def test_customers_are_told_apart_by_how_much_is_known_of_them() -> None:
    lengths = [1, NEW_INTERACTIONS - 1, NEW_INTERACTIONS, 5, 6, 30]
    held_out = customers(*("a1 " * length for length in lengths))
    found = slices(held_out)
    # Each has looked at one item besides.
    assert {name: who(held_out, mask) for name, mask in found.items()} == {
        "new": {0, 1},
        "light": {2, 3, 4},
        "heavy": {5},
    }


def test_where_all_are_new_there_is_no_other_slice() -> None:
    assert list(slices(customers("a1", "a2"))) == ["new"]


def test_segments_are_slices_where_they_are_known_the_most_common_first() -> None:
    held_out = customers("a1", "a1", "a1", "a1")
    found = slices(held_out, segments={key(0): "loyal", key(1): "new", key(3): "new"})
    assert list(found) == ["new", "segment new", "segment loyal"]
    assert who(held_out, found["segment new"]) == {1, 3}


def test_a_customer_belongs_to_the_category_that_was_bought_most() -> None:
    held_out = customers("a1 a2 b1", "b1", "unknown", "a2 a2 b1 b1 b1")
    found = slices(held_out, SHELVES)
    assert who(held_out, found["category a"]) == {0}
    assert who(held_out, found["category b"]) == {1, 3}


def test_slices_of_an_evaluation_are_of_its_customers() -> None:
    held_out = customers("a1", "b1", "a2")
    some = held_out.of([held_out.customers[0], held_out.customers[2]])
    assert some.customers == (held_out.customers[0], held_out.customers[2])
    assert slices(some)["new"].shape == (2,)
