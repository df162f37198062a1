from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing

import ibis
import pytest

from features.definitions.category_affinity import shares
from features.definitions.replenishment import REBUYERS, due
from features.engine import open_engine
from features.event import Event, EventType
from features.tables import event_table, item_table
from tests.unit.features.definitions.told import T, happened
from tests.unit.features.making import ANN, BOB, item

ITEMS = [
    item("milk", categories=("food", "dairy")),
    item("cheese", categories=("food", "dairy")),
    item("lamp", categories=("home",)),
    item("cup"),
]


def due_of(events: Iterable[Event]) -> dict[str, dict[str, object]]:
    """Customer → what is due."""
    engine = open_engine()
    with closing(engine.con):
        table = due(ibis.memtable(event_table(events)), ibis.memtable(item_table(ITEMS)), T)
        rows = engine.to_pyarrow(table).to_pylist()
    return {str(row.pop("customer")): row for row in rows}


def bought(what: str, *days: float, customer: str = ANN) -> list[Event]:
    return [happened(one, item=what, customer=customer) for one in days]


@pytest.mark.parametrize(("since", "who"), [(9, []), (10, [ANN]), (15, [ANN]), (16, [])])
def test_an_item_is_due_one_gap_after_its_last_purchase_until_it_is_given_up(
    since: int, who: list[str]
) -> None:
    found = due_of(bought("lamp", *(since + gap for gap in (30, 20, 10, 0))))
    expected = {
        "item": "lamp",
        "category": None,
        "times": 4,
        "gap_days": 10.0,
        "since_days": float(since),
    }
    assert found == dict.fromkeys(who, expected)


def test_several_lines_of_a_day_are_one_purchase_and_three_are_no_rhythm() -> None:
    assert due_of([*bought("lamp", 30, 20, 10), *bought("lamp", 30.1, 20.1, 10.1)]) == {}


def test_items_take_turns_within_their_category() -> None:
    found = due_of([*bought("milk", 40, 20), *bought("cheese", 30, 10)])
    assert (found[ANN]["item"], found[ANN]["category"]) == (None, "dairy")
    assert (found[ANN]["times"], found[ANN]["gap_days"]) == (4, 10.0)


def test_an_item_comes_before_a_category_and_what_is_bought_most_before_the_rest() -> None:
    lamp = bought("lamp", *range(10, 60, 10))
    milk = bought("milk", *range(10, 90, 10))
    assert due_of([*lamp, *milk])[ANN]["item"] == "milk"


@pytest.mark.parametrize(("others", "once", "who"), [(20, 0, [BOB]), (19, 0, []), (20, 21, [])])
def test_what_others_use_up_is_due_for_who_bought_it_once(
    others: int, once: int, who: list[str]
) -> None:
    assert REBUYERS == 20
    again = [
        e for n in range(others) for e in bought("cup", 30, 22, 14, 6, customer=f"ck_a{n:031}")
    ]
    never = [e for n in range(once) for e in bought("cup", 1, customer=f"ck_f{n:031}")]
    found = due_of([*again, *never, *bought("cup", 9, customer=BOB)])
    # Bob is a buyer too: in the last case 20 of 42 bought it again.
    assert list(found) == who


def test_what_the_catalogue_does_not_know_can_not_be_due() -> None:
    assert due_of(bought("gone", 40, 30, 20, 10)) == {}


def test_only_purchases_before_t_count() -> None:
    seen = [happened(day, EventType.VIEW, item="lamp") for day in (40, 30, 20, 10)]
    assert due_of([*seen, *bought("lamp", -1, -11)]) == {}


def test_shares_are_those_of_the_categories_bought_most() -> None:
    events = [
        *bought("milk", 1, 2, 3),
        *bought("lamp", 4),
        *bought("cup", 5),
        *bought("cup", 5, customer=BOB),
        *bought("lamp", -1),
    ]
    engine = open_engine()
    with closing(engine.con):
        tables = ibis.memtable(event_table(events)), ibis.memtable(item_table(ITEMS))
        both = engine.to_pyarrow(shares(*tables, T, 5)).to_pylist()
        top = engine.to_pyarrow(shares(*tables, T, 1)).to_pylist()
    food = {"customer": ANN, "category": "food", "share": 0.75}
    assert both == [food, {"customer": ANN, "category": "home", "share": 0.25}]
    assert top == [food]


def test_of_equal_shares_the_first_by_name_is_told_first() -> None:
    events = [*bought("lamp", 1), *bought("milk", 2)]
    engine = open_engine()
    with closing(engine.con):
        tables = ibis.memtable(event_table(events)), ibis.memtable(item_table(ITEMS))
        told = engine.to_pyarrow(shares(*tables, T, 5)).to_pylist()
    assert [one["category"] for one in told] == ["food", "home"]
