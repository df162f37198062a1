"""Entries of several partitions become one row, and are shared out fairly."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from features.stores.held import Held, partition_of, shares
from tests.unit.features.stores.log_suite import body_of


def test_a_position_stands_for_a_place_in_each_partition() -> None:
    held = Held()
    held.add(1, [(5, b"a"), (6, b"b")])
    held.add(2, [(9, b"c"), (10, b"d")])
    third = held.first(3)[-1]
    assert third.body == b"c"
    assert held.up_to(third.position) == {1: 6, 2: 9}
    assert held.ends() == {1: 6, 2: 10}
    held.drop(third.position)
    assert [entry.body for entry in held.first(9)] == [b"d"]
    assert held.up_to(third.position) == {}


def test_what_others_read_now_is_let_go() -> None:
    held = Held()
    held.add(1, [(5, b"a")])
    held.add(2, [(9, b"b")])
    held.keep([2])
    assert len(held) == 1
    assert [entry.body for entry in held.first(9)] == [b"b"]


def test_a_long_partition_leaves_room_for_the_others() -> None:
    assert shares({1: 1_000, 2: 3, 3: 0, 4: 40}, 50) == {2: 3, 4: 24, 1: 23}
    assert shares({1: 1_000}, 50) == {1: 50}
    assert shares({}, 50) == {}


@given(st.dictionaries(st.integers(0, 20), st.integers(0, 50)), st.integers(0, 100))
def test_as_many_are_taken_as_there_are_or_as_are_asked_for(
    waiting: dict[int, int], limit: int
) -> None:
    found = shares(waiting, limit)
    assert sum(found.values()) == min(limit, sum(waiting.values()))
    assert all(0 < count <= waiting[partition] for partition, count in found.items())


def test_all_of_a_customer_go_to_one_partition_and_customers_spread() -> None:
    assert len({partition_of(body_of(1, number), 16) for number in range(50)}) == 1
    assert len({partition_of(body_of(number, 1), 16) for number in range(500)}) == 16
    assert 0 <= partition_of(b"\xffnonsense", 16) < 16
