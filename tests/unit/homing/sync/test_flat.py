from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.sync.declared import SAID, Rows
from homing.sync.flat import Fetched, Flattener, columns_of, kinds, number, said, text
from tests.unit.features.making import KEYS

ROWS = Rows(
    columns={"order_id": "$.id", "sku": "sku", "paid": "paid"},
    each="lines",
    customer=("$.who.id", "$.who.other"),
    email="$.who.mail",
    numbers=("paid",),
)


def _customers(*who: object) -> list[object]:
    flattener = Flattener(ROWS, KEYS)
    return [row["customer"] for one in who for row in flattener.rows({"who": one, "lines": [{}]})]


def test_each_element_of_a_record_is_a_row() -> None:
    record = {"id": 5, "lines": [{"sku": "a", "paid": "1.5"}, {"sku": "b", "paid": "none"}]}
    first, second = Flattener(ROWS, KEYS).rows(record)
    assert (first["order_id"], first["sku"], first["paid"]) == ("5", "a", 1.5)
    assert (second["order_id"], second["sku"], second["paid"]) == ("5", "b", None)
    assert list(Flattener(ROWS, KEYS).rows({"id": 6, "lines": None})) == []
    assert list(first) == list(columns_of(ROWS))


def test_the_customer_is_the_first_id_that_is_there_and_else_the_address() -> None:
    by_id, by_other, by_mail = (KEYS.resolve(one) for one in ("7", "o-8", "ann@example.com"))
    found = _customers(
        {"id": 7, "other": "o-8", "mail": "ann@example.com"},
        {"id": None, "other": "o-8", "mail": "ann@example.com"},
        {"id": " ", "mail": " Ann@Example.com "},
        {},
        {"id": "x" * 300},
    )
    assert found == [by_id, by_other, by_mail, None, None]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, None),
        ("", None),
        ("0017", "0017"),
        (True, "true"),
        (13085.0, "13085"),
        (0.1, "0.1"),
        (float("inf"), "inf"),
        (10**20, "1" + "0" * 20),
        (Decimal("12.30"), "12.30"),
        (date(2026, 1, 2), "2026-01-02"),
        (datetime(2026, 1, 2, 3, tzinfo=timezone(timedelta(hours=2))), "2026-01-02T01:00:00+00:00"),
        (datetime(2026, 1, 2, 3), "2026-01-02T03:00:00"),  # noqa: DTZ001 - as a database gives it
        (b"\x01\xff", "01ff"),
        (["a", Decimal("1.5")], '["a","1.5"]'),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ("a\ud83d", "a?"),
        ({"a": "\ud83d"}, '{"a": "?"}'),
    ],
)
def test_a_value_is_written_so(value: object, written: str | None) -> None:
    assert text(value) == written


@pytest.mark.parametrize(
    ("value", "found"),
    [("1.5", 1.5), (2, 2.0), (Decimal("3.5"), 3.5), (True, None), ("nan", None), ("x", None)],
)
def test_a_number_is_one_or_nothing(value: object, found: float | None) -> None:
    assert number(value) == found
    assert number(10**400) is None


@given(st.dictionaries(st.text(min_size=1), st.none() | st.text() | st.floats(allow_nan=False)))
def test_what_a_row_says_does_not_depend_on_the_order_of_columns(
    row: dict[str, str | float],
) -> None:
    backwards = dict(reversed(row.items()))
    assert said(row) == said(backwards) == said({**row, SAID: "other"}) or SAID in row


def test_fields_are_told_by_kind_and_never_by_value() -> None:
    known: dict[str, str] = {}
    at = datetime(2026, 1, 1, tzinfo=UTC)
    kinds(
        {"id": 5, "on": True, "at": at, "tags": [], "who": {"id": "x", "ann@example.com": 1}}, known
    )
    assert known == {"id": "number", "on": "truth", "at": "time", "tags": "list", "who.id": "text"}
    kinds({"id": None, "deep": {"a": {"b": {}}}, "late": None}, known)
    assert (known["id"], known["deep.a.b"], known["late"]) == ("number", "table", "nothing")
    kinds({"late": "x"}, known)
    assert known["late"] == "text"
    kinds({f"f{number}": 1 for number in range(2_000)}, known)
    assert len(known) == 500


def test_counts_add_up_over_pages() -> None:
    flattener = Flattener(ROWS, KEYS)
    pages = [[{"id": page, "lines": [{"sku": "a"}, {"sku": None}]}] for page in range(3)]
    fetched = Fetched()
    made = [row for page in pages for row in fetched.add(page, flattener)]
    assert (fetched.records, fetched.rows, fetched.given["sku"]) == (3, 6, 3)
    assert int(fetched.said, 16) == sum(said(row) for row in made) % 2**64
