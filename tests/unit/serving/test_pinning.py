from __future__ import annotations

from serving.pinning import LocalPins, decode
from serving.slate import Choice, Pick, Rung
from tests.unit.serving.kit import ANNA, BERT


class Watch:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def choice(name: str) -> Choice:
    return Choice(name, Rung.POPULAR, None, None, (Pick("apple"),))


def test_the_first_choice_stays_until_it_expires() -> None:
    watch = Watch()
    pins = LocalPins(10, monotonic=watch)
    place = (ANNA, "monday", "hero")
    assert pins.pin(place, choice("one")).slate == "one"
    watch.seconds = 9.9
    assert pins.pin(place, choice("two")).slate == "one"
    assert pins.of_send(ANNA, "monday") == {"hero": choice("one")}
    watch.seconds = 10
    assert pins.of_send(ANNA, "monday") == {}
    assert pins.pin(place, choice("two")).slate == "two"


def test_sends_and_customers_are_apart() -> None:
    pins = LocalPins(10)
    pins.pin((ANNA, "monday", "hero"), choice("one"))
    assert pins.of_send(ANNA, "tuesday") == pins.of_send(BERT, "monday") == {}


def test_the_oldest_give_way() -> None:
    pins = LocalPins(10, limit=2)
    for send in ("a", "b", "c"):
        pins.pin((ANNA, send, "hero"), choice(send))
    assert [bool(pins.of_send(ANNA, send)) for send in ("a", "b", "c")] == [False, True, True]


def test_what_is_no_choice_is_none() -> None:
    assert decode(b"") is None
    assert decode(b"\x93\x01\x02\x03") is None
