"""What an import looks up: rates, smallest units, items by another name."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from features.clock import FixedClock
from features.errors import InvalidArgument
from features.importing import Destination, import_file
from features.lake import Lake
from features.mapping import load_mapping, parse_mapping
from features.money import NO_RATE
from features.source_file import Exchanged
from features.stores.opening import open_stores
from homing.importing import import_lines
from tests.unit.features.imported import EVENT, NOW, events, parquet, rows, run
from tests.unit.features.making import KEYS, item

PAID = 'value = "paid"\ncurrency = "coin"\n'
RATES = PAID + '[currency]\nto = "GBP"\nrates = {USD = 0.8, EUR = 0.9}\n'


@pytest.fixture
def into(tmp_path: Path) -> Destination:
    stores = open_stores("memory://")
    return Destination(Lake(str(tmp_path / "lake")), stores.profiles, stores.catalogue)


def paid(into: Destination) -> dict[str, tuple[float | None, str | None]]:
    found = ((one["item"], one.get("value"), one.get("currency")) for one in events(into.lake))
    return {name: (value, currency) for name, value, currency in found}


def test_values_are_turned_into_one_currency_and_the_report_says_of_how_much(
    tmp_path: Path, into: Destination
) -> None:
    given = rows(
        {"what": "a", "paid": 10.1, "coin": "USD"},
        {"what": "b", "paid": 5.0, "coin": "USD"},
        {"what": "c", "paid": 3.0, "coin": "GBP"},
        {"what": "d", "paid": None, "coin": "EUR"},
        {"what": "e", "paid": None, "coin": "XXX"},
        {"what": "f", "paid": 1.0, "coin": "JPY"},
        {"what": "g", "paid": 1.0, "coin": None},
        {"what": "h", "paid": 1.0, "coin": "pounds"},
    )
    report = run(parquet(tmp_path, given), EVENT + RATES, into)
    assert paid(into) == {
        "a": (8.08, "GBP"),
        "b": (4.0, "GBP"),
        "c": (3.0, "GBP"),
        "d": (None, "EUR"),
        "e": (None, "XXX"),
    }
    assert dict(report.rejected) == {NO_RATE: 2, "not a currency code": 1}
    assert dict(report.exchanged) == {"USD": Exchanged(2, 15.1, 12.08)}
    assert "  2 values of 15.10 USD came to 12.08" in list(import_lines(report))


def test_the_rate_is_that_of_the_day_or_the_last_before_it(
    tmp_path: Path, into: Destination
) -> None:
    (tmp_path / "rates.csv").write_text(
        "date,currency,rate\n2026-01-02,USD,0.5\n2026-01-04,USD,2\n"
    )
    (tmp_path / "m.toml").write_text(
        EVENT + PAID + '[currency]\nto = "GBP"\nfile = "rates.csv"\n', encoding="utf-8"
    )
    moments = [(1, 23), (2, 0), (3, 23), (4, 0)]
    given = rows(
        *(
            {"what": f"on {day}", "at": datetime(2026, 1, day, hour, tzinfo=UTC)}
            for day, hour in moments
        ),
        paid=1.0,
        coin="USD",
    )
    path = parquet(tmp_path, given)
    mapping = load_mapping(tmp_path / "m.toml")
    report = import_file(path, mapping, into, KEYS, FixedClock(NOW))
    assert dict(report.rejected) == {NO_RATE: 1}
    assert {name: value for name, (value, _) in paid(into).items()} == {
        "on 2": 0.5,
        "on 3": 0.5,
        "on 4": 2.0,
    }


def test_amounts_in_the_smallest_unit_are_read_by_currency(
    tmp_path: Path, into: Destination
) -> None:
    given = rows(
        {"what": "a", "coin": "GBP"},
        {"what": "b", "coin": "JPY"},
        {"what": "c", "coin": "KWD"},
        {"what": "d", "coin": None},
        paid=1999,
    )
    report = run(parquet(tmp_path, given), EVENT + PAID + "minor_units = true\n", into)
    assert paid(into) == {"a": (19.99, "GBP"), "b": (1999, "JPY"), "c": (1.999, "KWD")}
    assert dict(report.rejected) == {"value not an amount": 1}


def test_a_number_may_be_in_another_unit(tmp_path: Path, into: Destination) -> None:
    mapping = EVENT + 'quantity = {column = "grams", times = 0.001, absolute = true}'
    run(parquet(tmp_path, rows({"grams": -1999})), mapping, into)
    assert [one["quantity"] for one in events(into.lake)] == [1.999]


BY = PAID + '[catalogue]\nby = "barcode"\nfill_value = true\n'
KNOWN = '[[contract]]\nrule = "what is sold is known"\nmust = {known = true}\n'


def shelf(into: Destination) -> None:
    assert into.catalogue is not None
    into.catalogue.put_many(
        [
            item("lamp-1", price=2.5, currency="GBP", attributes={"barcode": "17"}),
            item("hat-1", attributes={"barcode": " 18 "}),
            item("bag-1"),
            item("cup-1", price=3.0, attributes={"barcode": "19"}),
            item("cup-2", price=4.0, attributes={"barcode": "19"}),
        ]
    )


def test_items_are_found_by_what_the_source_calls_them(tmp_path: Path, into: Destination) -> None:
    shelf(into)
    given = rows(
        {"what": "17", "units": 2, "paid": None, "coin": None},
        {"what": "17", "units": 2, "paid": 4.5, "coin": "USD"},
        {"what": "18"},
        {"what": "19"},
        {"what": "20"},
    )
    file = parquet(tmp_path, given)
    report = run(file, EVENT + 'quantity = {sql = "coalesce(units, 1)"}\n' + BY, into)
    assert report.accepted == 5
    found = [(one["item"], one.get("value"), one.get("currency")) for one in events(into.lake)]
    assert sorted(found, key=str) == [
        ("19", None, None),  # two items are called so
        ("20", None, None),
        ("hat-1", None, None),
        ("lamp-1", 4.5, "USD"),
        ("lamp-1", 5.0, "GBP"),
    ]


def test_a_contract_may_want_items_to_be_known(tmp_path: Path, into: Destination) -> None:
    shelf(into)
    given = rows({"what": "17"}, {"what": "20"}, paid=1.0, coin="GBP")
    report = run(parquet(tmp_path, given), EVENT + BY + KNOWN, into)
    assert (report.accepted, dict(report.rejected)) == (1, {"what is sold is known": 1})


def test_items_of_the_same_file_are_known(tmp_path: Path, into: Destination) -> None:
    mapping = EVENT + '[items]\nid = "what"\ntitle = "what"\n[catalogue]\n' + KNOWN
    report = run(parquet(tmp_path, rows({"what": "new"})), mapping, into)
    assert (report.accepted, report.items) == (1, 1)


def test_without_a_catalogue_nothing_is_known(tmp_path: Path) -> None:
    into = Destination(Lake(str(tmp_path / "lake")))
    report = run(parquet(tmp_path, rows({})), EVENT + "[catalogue]\n" + KNOWN, into)
    assert report.accepted == 0


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ('value = "paid"\nminor_units = true', "units of which currency"),
        ('value = "paid"\n[currency]\nto = "GBP"', "values of which currency"),
    ],
)
def test_an_amount_needs_a_currency_to_be_turned(more: str, says: str) -> None:
    with pytest.raises(InvalidArgument, match=says):
        parse_mapping(EVENT + more, "m.toml")


def test_what_is_looked_up_is_for_events() -> None:
    text = 'name = "shop"\n[items]\nid = "what"\ntitle = "what"\n[catalogue]\n'
    with pytest.raises(InvalidArgument, match="they are about events"):
        parse_mapping(text, "m.toml")
