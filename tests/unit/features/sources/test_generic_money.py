"""Money and contracts of any sender's webhooks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from features.errors import InvalidArgument
from features.event import Event
from features.money import NO_RATE
from features.sources.generic import Generic
from features.sources.generic_mapping import load_webhook, parse_webhook
from features.sources.source import Delivery, Received
from tests.unit.features.making import KEYS, NOW

LEAST = """
name = "till"
[signature]
header = "X-Sign"
[event]
type = "search"
customer = "who"
time = "at"
"""
PAID = 'value = {path = "paid", absolute = true}\ncurrency = "coin"\n'
RATES = '[currency]\nto = "GBP"\nrates = {USD = 0.8, JPY = 0.005}\n'
RULE = '[[contract]]\nrule = "a price has a limit"\nmust = {path = "paid", at_most = 1000}\n'


def of(mapping: str, **body: Any) -> Received:  # noqa: ANN401 - JSON
    said = {"who": "ann", "at": "2026-02-01T10:00:00Z", **body}
    source = Generic(parse_webhook(mapping, "till.toml"), ["hush"])
    return source.read(Delivery(json.dumps(said).encode()), KEYS, NOW)


def paid(received: Received) -> tuple[float | None, str | None]:
    (event,) = received.events
    assert isinstance(event, Event)
    return event.value, event.currency


@pytest.mark.parametrize(
    ("more", "value", "coin", "becomes"),
    [
        ("", 10.1, "usd", (10.1, "USD")),
        (RATES, 10.1, "usd", (8.08, "GBP")),
        (RATES, 10.1, "GBP", (10.1, "GBP")),
        (RATES, None, None, (None, None)),
        ("minor_units = true\n", 1999, "USD", (19.99, "USD")),
        ("minor_units = true\n" + RATES, -1999, "USD", (15.992, "GBP")),
        ("minor_units = true\n" + RATES, 1999, "JPY", (9.995, "GBP")),
    ],
)
def test_a_value_is_turned_into_the_shops_currency(
    more: str, value: float | None, coin: str | None, becomes: tuple[float | None, str | None]
) -> None:
    assert paid(of(LEAST + PAID + more, paid=value, coin=coin)) == becomes


@pytest.mark.parametrize(("coin", "why"), [("CHF", NO_RATE), (None, "currency: missing")])
def test_a_value_that_can_not_be_turned_is_a_dead_letter(coin: str | None, why: str) -> None:
    received = of(LEAST + PAID + RATES, paid=1, coin=coin)
    assert received.events == []
    assert why in received.unreadable[0].reason


def test_the_rate_is_that_of_the_day_it_happened(tmp_path: Path) -> None:
    (tmp_path / "rates.csv").write_text(
        "date,currency,rate\n2026-01-01,USD,0.5\n2026-02-02,USD,0.6\n"
    )
    text = LEAST + PAID + '[currency]\nto = "GBP"\nfile = "rates.csv"\n'
    (tmp_path / "till.toml").write_text(text)
    source = Generic(load_webhook(tmp_path / "till.toml"), ["hush"])
    body = json.dumps(
        [
            {"who": "ann", "at": at, "paid": 1, "coin": "USD"}
            for at in ("2026-02-02T00:30:00+01:00", "2026-02-02T00:00:00Z")
        ]
    )
    found = source.read(Delivery(body.encode()), KEYS, NOW).events
    assert [one.value for one in found] == [0.5, 0.6]


def test_what_breaks_the_contract_is_a_dead_letter_with_the_rules_name() -> None:
    received = of(LEAST + PAID + RULE, paid=1001, coin="GBP")
    assert received.events == []
    assert "broken: a price has a limit" in received.unreadable[0].reason
    assert len(of(LEAST + PAID + RULE, paid=1000, coin="GBP").events) == 1


@pytest.mark.parametrize(
    ("must", "good", "bad"),
    [
        ("present = true", ["a", 0, False], [None, "", " ", [1], {}]),
        ("above = 0, below = 10", [5, "5", 0.5, None], [0, "ten", "nan", 10, True]),
        ("at_least = 0, at_most = 10", [0, 10.0], [-1, 10.5]),
        ('one_of = ["a", 7, true]', ["a", 7, "7", 7.0, True, " a "], ["b", 8, False]),
        ('matches = "^[A-Z]{2}$"', ["AB"], ["ABC", 7]),
    ],
)
def test_a_rule_tells_good_from_bad(must: str, good: list[object], bad: list[object]) -> None:
    mapping = f'{LEAST}\n[[contract]]\nrule = "sound"\nmust = {{path = "x", {must}}}'
    assert [len(of(mapping, x=one).events) for one in good] == [1] * len(good)
    assert [len(of(mapping, x=one).events) for one in bad] == [0] * len(bad)


def test_pence_are_not_tenths_of_pence() -> None:
    mapping = LEAST + 'value = {path = "paid", times = 0.01}\n'
    assert paid(of(mapping, paid=1999)) == (19.99, None)


def test_halves_of_the_last_place_become_what_they_do_in_a_file() -> None:
    mapping = LEAST + 'value = {path = "paid", times = 0.0000001}\n'
    assert paid(of(mapping, paid=5)) == (0.000001, None)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ('value = "paid"\nminor_units = true', "units of which currency"),
        ('value = "paid"\n' + RATES, "values of which currency"),
        (RULE.replace('"paid"', '"paid..x"'), "not a path"),
        (RULE.replace(", at_most = 1000", ""), "no test"),
        *(
            (RULE.replace("at_most = 1000", f'matches = "{pattern}"'), "contract.must.matches")
            for pattern in ("(", "(?u)a", f"a{{{10**20}}}", "(" * 9_999)
        ),
        (RULE + RULE, "a name comes twice"),
    ],
)
def test_what_makes_no_sense_is_refused(more: str, says: str) -> None:
    with pytest.raises(InvalidArgument, match=says):
        parse_webhook(LEAST + more, "till.toml")
