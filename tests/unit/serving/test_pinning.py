from __future__ import annotations

from datetime import timedelta

from features.clock import FixedClock
from serving.pinning import LocalPins, decode
from serving.slate import Choice, Pick, Rung
from tests.unit.serving.kit import ANNA, BERT, NOW


def choice(name: str) -> Choice:
    return Choice(name, Rung.POPULAR, None, None, (Pick("apple"),))


def test_the_first_choice_stays_until_it_expires() -> None:
    clock = FixedClock(NOW)
    pins = LocalPins(10, clock)
    place = (ANNA, "monday", "hero")
    assert pins.pin(place, choice("one")).slate == "one"
    clock.advance(timedelta(seconds=9.9))
    assert pins.pin(place, choice("two")).slate == "one"
    assert pins.of_send(ANNA, "monday") == {"hero": choice("one")}
    clock.advance(timedelta(seconds=0.1))
    assert pins.of_send(ANNA, "monday") == {}
    assert pins.pin(place, choice("two")).slate == "two"


def test_sends_and_customers_are_apart() -> None:
    pins = LocalPins(10, FixedClock(NOW))
    pins.pin((ANNA, "monday", "hero"), choice("one"))
    assert pins.of_send(ANNA, "tuesday") == pins.of_send(BERT, "monday") == {}


def test_the_oldest_give_way() -> None:
    pins = LocalPins(10, FixedClock(NOW), limit=2)
    for send in ("a", "b", "c"):
        pins.pin((ANNA, send, "hero"), choice(send))
    assert [bool(pins.of_send(ANNA, send)) for send in ("a", "b", "c")] == [False, True, True]


def test_what_is_no_choice_is_none() -> None:
    assert decode(b"") is None
    assert decode(b"\x93\x01\x02\x03") is None
