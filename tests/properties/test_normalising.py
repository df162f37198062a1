"""Files and webhooks agree: on what a value is worth, and on what keeps a contract."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from features.column_sql import Columns, quoted
from features.conditions import Must
from features.engine import open_duckdb
from features.enriching_sql import PAID, RATED, RATES, exchanged, in_units
from features.money import PLACES, Rates, rounded
from features.money import in_units as units_of
from features.sources.contract import PathTests, holds

CURRENCIES = st.sampled_from(["GBP", "USD", "EUR", "JPY"])
DAYS = st.dates(date(2025, 12, 25), date(2026, 1, 10))
CELLS = st.one_of(
    st.none(),
    st.integers(-3, 12).map(str),
    st.floats(-3, 12, allow_nan=False).map(repr),
    st.sampled_from(["", " ", "a", "AB", "nan", "inf", " 7 ", "1e1", "true", "\u00a07", "٣", "é"]),
)
NUMBERS = st.one_of(st.none(), st.integers(-3, 12).map(float), st.floats(-3, 12))
LIMITS = st.one_of(st.none(), st.integers(-2, 10).map(float))
HALVES = st.integers(0, 10**8).map(lambda n: (n + 0.5) / 10**PLACES)
"""What lies between two amounts, where two ways of rounding may differ."""
AMOUNTS = st.one_of(st.floats(0, 1e12), HALVES, st.integers(0, 10**6).map(float))


@settings(max_examples=25, deadline=None)
@given(
    rates=st.lists(
        st.tuples(CURRENCIES, DAYS, st.one_of(st.floats(0.01, 200), HALVES)), max_size=12
    ),
    paid=st.lists(
        st.tuples(st.one_of(st.none(), AMOUNTS), st.one_of(st.none(), CURRENCIES), DAYS),
        min_size=1,
        max_size=12,
    ),
)
def test_a_value_of_a_file_comes_to_what_that_of_a_webhook_does(
    rates: list[tuple[str, date, float]], paid: list[tuple[float | None, str | None, date]]
) -> None:
    known = Rates("GBP", rates)
    names = ("value", "currency", "occurred_at")
    rows = [
        (value, coin, datetime(d.year, d.month, d.day, 23, tzinfo=UTC)) for value, coin, d in paid
    ]
    with closing(open_duckdb()) as con:
        con.register(RATES, _table(("currency", "day", "rate"), list(known.rows())))
        kinds = dict(
            zip(names, (pa.float64(), pa.string(), pa.timestamp("us", "UTC")), strict=True)
        )
        con.register(
            "made", _table((*names, "n"), [(*row, n) for n, row in enumerate(rows)], kinds)
        )
        sql = exchanged("SELECT * FROM made", "GBP")
        found = con.sql(f"SELECT * FROM ({sql}) ORDER BY n").to_arrow_table().to_pylist()  # noqa: S608 - ours
    assert len(found) == len(paid)
    for (value, coin, day), row in zip(paid, found, strict=True):
        worth = None if value is None or coin is None else known.worth(value, coin, day)
        assert row[RATED] == (value is None or worth is not None)
        assert row[PAID] == value
        assert row["value"] == (value if worth is None else worth)
        assert row["currency"] == (coin if worth is None else "GBP")


@settings(max_examples=25, deadline=None)
@given(
    amounts=st.lists(
        st.tuples(
            st.one_of(AMOUNTS, AMOUNTS.map(lambda one: -one)),
            st.sampled_from(["GBP", "JPY", "KWD", "CLF"]),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_amounts_are_rounded_and_read_in_units_alike(amounts: list[tuple[float, str]]) -> None:
    units = in_units("value", "currency")
    with closing(open_duckdb()) as con:
        con.register("said", _table(("value", "currency"), amounts))
        asked = f"SELECT round(value, {PLACES}) AS one, {units} AS two FROM said"  # noqa: S608 - ours
        found = con.sql(asked).to_arrow_table().to_pylist()
    expected = [{"one": rounded(n), "two": units_of(n, coin)} for n, coin in amounts]
    assert found == expected


def _table(
    names: tuple[str, ...], rows: list[tuple[Any, ...]], kinds: dict[str, pa.DataType] | None = None
) -> pa.Table:
    columns = zip(*rows, strict=True)
    known = kinds or {}
    return pa.table({n: pa.array(c, known.get(n)) for n, c in zip(names, columns, strict=True)})


@settings(max_examples=25, deadline=None)
@given(
    cells=st.one_of(
        st.lists(CELLS, min_size=1, max_size=20), st.lists(NUMBERS, min_size=1, max_size=20)
    ),
    present=st.sampled_from([{}, {"present": True}]),
    limits=st.tuples(LIMITS, LIMITS, LIMITS, LIMITS),
    one_of=st.one_of(st.none(), st.just(("a", 7.0, True, 0.5))),
    matches=st.sampled_from([None, "^[A-Z0-9]+$", r"^\d", r"^\w+$"]),
)
def test_a_contract_says_the_same_of_a_column_and_of_a_webhook(
    cells: list[str | None] | list[float | None],
    present: dict[str, bool],
    limits: tuple[float | None, ...],
    one_of: tuple[str | float | bool, ...] | None,
    matches: str | None,
) -> None:
    words: dict[str, Any] = {
        **present,
        **dict(zip(("at_least", "above", "at_most", "below"), limits, strict=True)),
        "one_of": one_of,
        "matches": matches,
    }
    numbers = any(isinstance(one, float) for one in cells)
    kind, type_ = ("DOUBLE", pa.float64()) if numbers else ("VARCHAR", pa.string())
    sql = Columns("m.toml", {"x": kind}).must(Must(column="x", **words), "must", "2026-01-01")
    with closing(open_duckdb()) as con:
        con.register("rows", pa.table({"x": pa.array(cells, type_), "n": range(len(cells))}))
        asked = f"SELECT {sql} AS kept FROM rows ORDER BY {quoted('n')}"  # noqa: S608 - ours
        found = con.sql(asked).to_arrow_table().column("kept").to_pylist()
    assert found == [holds(PathTests(path="x", **words), cell) for cell in cells]
