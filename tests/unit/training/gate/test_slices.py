from __future__ import annotations

from datetime import timedelta

from tests.unit.training.samples import AT, UNTIL, key, purchase, table
from training.gate.slices import slices_of
from training.heldout import HeldOut
from training.split import load_held_out


def held_out() -> HeldOut:
    """Customer 0 bought once long ago, 1 every week, 2 yesterday only; all of them at T."""
    days = {0: [250], 1: range(1, 92, 7), 2: [1]}
    past = [
        purchase(customer, "a", AT - timedelta(days=day))
        for customer, ago in days.items()
        for day in ago
    ]
    return load_held_out(table([*past, *(purchase(n, "b", AT) for n in days)]), AT, UNTIL)


def test_segments_at_t_are_slices_too() -> None:
    customers = held_out().customers
    found = {
        name: {customers[n] for n in mask.nonzero()[0]}
        for name, mask in slices_of(held_out(), None).items()
        if name.startswith("segment")
    }
    assert found == {
        "segment lapsed": {key(0)},
        "segment loyal": {key(1)},
        "segment new": {key(2)},
    }
