"""Money: rates by day, and the smallest units of currencies."""

from __future__ import annotations

import math
from datetime import date
from pathlib import Path

import pytest

from features.errors import InvalidArgument
from features.money import Exchange, Rates, in_units, read_rates, rounded

CSV = "date,currency,rate\n2026-01-01,USD,0.75\n2026-02-01,USD,0.8\n"
TOML = """
[[rates]]
date = 2026-01-01
currency = "USD"
rate = 0.75
[[rates]]
date = 2026-02-01
currency = "USD"
rate = 0.8
"""


@pytest.mark.parametrize(
    ("name", "text"), [("rates.csv", CSV), ("rates.csv", f"\ufeff{CSV}"), ("rates.toml", TOML)]
)
def test_the_last_rate_before_the_day_counts(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    exchange = Exchange(to="GBP", file=name, rates={"EUR": 0.9})
    rates = read_rates(exchange.beside(tmp_path / "m.toml"), "m.toml")
    days = [date(2025, 12, 31), date(2026, 1, 1), date(2026, 1, 31), date(2026, 2, 1)]
    assert [rates.on("USD", day) for day in days] == [None, 0.75, 0.75, 0.8]
    assert [rates.on(code, days[0]) for code in ("EUR", "GBP", "JPY")] == [0.9, 1.0, None]
    assert rates.worth(10.1, "EUR", days[0]) == 9.09
    assert rates.worth(10.1, "JPY", days[0]) is None


def test_a_rate_of_the_file_counts_from_its_day_and_that_of_the_table_before() -> None:
    rates = Rates("GBP", [("USD", date.min, 0.7), ("USD", date(2026, 1, 1), 0.8)])
    assert [rates.on("USD", date(year, 1, 1)) for year in (2025, 2026)] == [0.7, 0.8]
    assert [*rates.rows()] == [
        ("GBP", date.min, 1.0),
        ("USD", date.min, 0.7),
        ("USD", date(2026, 1, 1), 0.8),
    ]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("rates.csv", "day,currency,rate\n2026-01-01,USD,1", "line 2"),
        ("rates.csv", "date,currency,rate\n2026-01-01,USD,1\n\nsoon,USD,1", "line 4"),
        ("rates.csv", 'date,currency,rate\n"' + "x" * 200_000, "not a rate"),
        ("rates.csv", "date,currency,rate\n2026-01-01,GBP,1.2", "not worth itself"),
        ("rates.csv", "date,currency,rate\n2026-01-01,USD", "line 2"),
        ("rates.csv", "date,currency,rate\n2026-01-01,USD,cheap", "line 2"),
        ("rates.csv", "date,currency,rate\n2026-01-01,USD,0", "not a rate"),
        ("rates.csv", "date,currency,rate\n2026-01-01,USD,nan", "not a rate"),
        ("rates.csv", "date,currency,rate\n2026-01-01,dollars,1", "not a rate"),
        ("rates.toml", "[[rates]]\ncurrency = 'USD'", "date"),
        ("none.csv", None, "can't be read.*give the path of a file like the one"),
    ],
)
def test_a_file_of_no_rates_is_refused(
    tmp_path: Path, name: str, text: str | None, says: str
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(InvalidArgument, match=says):
        read_rates(Exchange(to="GBP", file=str(tmp_path / name)), "m.toml")


def test_a_currency_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"currency\.to = 'pounds'"):
        read_rates(Exchange(to="pounds"), "m.toml")


@pytest.mark.parametrize(
    ("amount", "currency", "worth"),
    [(1999, "GBP", 19.99), (1999, "JPY", 1999), (1999, "KWD", 1.999), (1999, "CLF", 0.1999)],
)
def test_smallest_units_are_as_many_as_the_currency_has(
    amount: float, currency: str, worth: float
) -> None:
    assert in_units(amount, currency) == worth


@pytest.mark.parametrize(
    ("amount", "becomes"),
    [
        (1.6500000000000001, 1.65),
        (0.0000325, 0.000033),
        (-0.0000085, -0.000009),
        (1e300, 1e300),
        (math.inf, math.inf),
    ],
)
def test_an_amount_has_six_places_and_halves_go_up(amount: float, becomes: float) -> None:
    assert rounded(amount) == becomes
