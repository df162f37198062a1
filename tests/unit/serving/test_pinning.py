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
    pins = LocalPins(10, FixedClock(NOW), limit=4)
    for send in "abcde":
        pins.pin((ANNA, send, "hero"), choice(send))
    assert [len(pins.of_send(ANNA, send)) for send in "abcde"] == [0, 0, 1, 1, 1]


def test_who_is_pinned_again_is_of_the_newest_and_keeps_his_other_blocks() -> None:
    pins = LocalPins(10, FixedClock(NOW), limit=4)
    pinned = ("a", "hero"), ("b", "hero"), ("c", "hero"), ("a", "second"), ("d", "hero")
    for send, block in pinned:
        pins.pin((ANNA, send, block), choice(block))
    assert pins.of_send(ANNA, "a") == {"hero": choice("hero"), "second": choice("second")}
    assert pins.of_send(ANNA, "b") == {}


def test_another_block_of_a_send_costs_no_other_send_its_place() -> None:
    pins = LocalPins(10, FixedClock(NOW), limit=4)
    for send, block in [*((send, "hero") for send in "abcd"), ("d", "second")]:
        pins.pin((ANNA, send, block), choice(block))
    assert [len(pins.of_send(ANNA, send)) for send in "abcd"] == [1, 1, 1, 2]


def test_what_is_no_choice_is_none() -> None:
    assert decode(b"") is None
    assert decode(b"\x93\x01\x02\x03") is None
