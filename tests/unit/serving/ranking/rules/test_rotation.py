from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from features.event import EventType
from features.profile import Exposure, History, Interaction
from serving.ranking.rules.rotation import pressed_items, pressure_of, rotated
from serving.ranking.view import item_view

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DAY = 86_400


def at(days_ago: float) -> int:
    return int(NOW.timestamp() - days_ago * DAY)


def shown(items: str, days_ago: float) -> Exposure:
    """A slate of items a, b, c …"""
    return Exposure(at(days_ago), int(1_000 * days_ago), "hero", tuple(items))


def did(kind: EventType, item: str, days_ago: float) -> Interaction:
    return Interaction(at(days_ago), int(1_000 * days_ago), item, kind)


def test_a_showing_counts_half_after_each_half_life() -> None:
    history = History(exposures=(shown("a", 28), shown("b", 14), shown("c", 0)))
    assert pressed_items(history, 14, NOW) == {"a": 0.25, "b": 0.5, "c": 1.0}


def test_showings_of_one_item_add_up() -> None:
    history = History(exposures=(shown("ab", 14), shown("ac", 7), shown("a", 0)))
    pressed = pressed_items(history, 7, NOW)
    assert pressed == {"a": 1.75, "b": 0.25, "c": 0.5}


@pytest.mark.parametrize(
    "kind", [EventType.EMAIL_CLICK, EventType.VIEW, EventType.CART, EventType.PURCHASE]
)
def test_who_asks_for_an_item_takes_away_this_showing_and_those_before(kind: EventType) -> None:
    history = History(
        interactions=(did(kind, "a", 7),),
        exposures=(shown("ab", 14), shown("ab", 7), shown("a", 0)),
    )
    assert pressed_items(history, 7, NOW) == {"a": 1.0, "b": 0.75}


def test_only_the_last_time_that_an_item_was_asked_for_counts() -> None:
    click, opened = EventType.EMAIL_CLICK, EventType.RETURN
    history = History(
        interactions=(did(click, "a", 20), did(click, "a", 8), did(opened, "a", 1)),
        exposures=(shown("a", 14), shown("a", 7)),
    )
    assert pressed_items(history, 7, NOW) == {"a": 0.5}


def test_what_was_asked_for_before_it_was_shown_forgives_nothing() -> None:
    history = History(
        interactions=(did(EventType.EMAIL_CLICK, "a", 8),), exposures=(shown("a", 7),)
    )
    assert pressed_items(history, 7, NOW) == {"a": 0.5}


def test_a_showing_that_a_fast_clock_dates_ahead_counts_whole() -> None:
    assert pressed_items(History(exposures=(shown("a", -0.5),)), 7, NOW) == {"a": 1.0}


def test_who_was_shown_nothing_is_pressed_by_nothing() -> None:
    assert pressed_items(History(interactions=(did(EventType.VIEW, "a", 1),)), 7, NOW) == {}


def test_pressure_is_told_of_the_rows_of_each_customer() -> None:
    view = item_view(list("abc"), None)
    histories = [
        History(exposures=(shown("cx", 0),)),
        History(),
        History(exposures=(shown("a", 7),)),
    ]
    pressure = pressure_of(view, histories, 7, NOW)
    assert pressure is not None
    rows = np.array([[0, 1, 2], [0, 2, -1], [2, 0, -1]])
    assert pressure.on(np.arange(3), rows).tolist() == [[0, 0, 1], [0, 0, 0], [0, 0.5, 0]]
    assert pressure.on(np.array([2]), rows[2:]).tolist() == [[0, 0.5, 0]]


@pytest.mark.parametrize(
    ("history", "days"),
    [
        (History(), 7.0),
        (History(exposures=(shown("x", 0),)), 7.0),
        (History(exposures=(shown("a", 0),)), None),
    ],
)
def test_there_is_no_pressure_without_a_showing_of_a_known_item_or_a_half_life(
    history: History, days: float | None
) -> None:
    assert pressure_of(item_view(list("abc"), None), [history], days, NOW) is None


def order(pressure: list[float], size: int = 4, gaps: str = "") -> str:
    """Candidates a, b, c … as pressure leaves them, those that moved in capitals."""
    letters = "abcdefgh"[: len(pressure)]
    rows = np.array([[-1 if name in gaps else n for n, name in enumerate(letters)]])
    turned = rotated(rows, np.array([pressure]), size)
    assert sorted(turned.order[0].tolist()) == list(range(len(letters)))
    names = [letters[n] for n in turned.order[0]]
    return "".join(
        name.upper() if moved else name
        for name, moved in zip(names, turned.moved[0], strict=True)
        if name not in gaps
    )


def test_an_item_falls_by_its_pressure_times_the_length_of_the_slate() -> None:
    assert order([1, 0, 0, 0, 0, 0]) == "BCDAef"
    assert order([0.5, 0, 0, 0, 0, 0]) == "BAcdef"
    assert order([1, 0, 0, 0, 0, 0], size=2) == "BAcdef"
    assert order([0, 9, 0, 0, 0, 0]) == "aCDEFB"


def test_pressure_on_all_alike_changes_nothing() -> None:
    assert order([1, 1, 1, 1]) == "abcd"
    assert order([0, 0, 0, 0]) == "abcd"


def test_those_that_pass_each_other_have_moved_and_the_others_have_not() -> None:
    assert order([0, 0.3, 0, 0, 0.2, 0]) == "aCBdef"


def test_where_there_is_no_candidate_nothing_is_passed() -> None:
    assert order([0, 0, 0, 0], gaps="b") == "acd"
    assert order([2, 0, 0, 0], gaps="cd") == "BA"
