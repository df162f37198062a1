"""What a mapping can say, and what happens to files that it does not fit."""

# ruff: noqa: S608 - these are the queries of mappings, hostile ones among them

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from features import source_file
from features.errors import InvalidArgument
from features.identity import CustomerKeys
from features.importing import Destination
from features.lake import Lake
from tests.unit.features.imported import EVENT, ITEMS, events, parquet, rows, run
from tests.unit.features.making import KEYS


@pytest.fixture
def into(tmp_path: Path) -> Destination:
    return Destination(Lake(str(tmp_path / "lake")))


def one(into: Destination) -> dict[str, Any]:
    (found,) = events(into.lake)
    return found


def csv(folder: Path, *lines: str, encoding: str = "utf-8") -> Path:
    file = folder / "file.csv"
    file.write_text("\n".join(lines) + "\n", encoding=encoding)
    return file


@pytest.mark.parametrize(
    ("given", "time", "meant"),
    [
        (datetime(2025, 7, 1, 12, tzinfo=UTC), 'zone = "Europe/London"', "2025-07-01T11:00"),
        (date(2025, 7, 1), 'zone = "America/New_York"', "2025-07-01T04:00"),
        ("2025-07-01 12:00", 'zone = "Europe/London"', "2025-07-01T11:00"),
        ("2025-07-01T12:00:00+02:00", "", "2025-07-01T10:00"),
        ("2025-07-01T12:00:00Z", 'zone = "Europe/London"', "2025-07-01T12:00"),
        ("01/07/2025 12:00", 'format = "%d/%m/%Y %H:%M", zone = "UTC"', "2025-07-01T12:00"),
        ("01/07/2025 12:00 +0200", 'format = "%d/%m/%Y %H:%M %z"', "2025-07-01T10:00"),
        (1_751_371_200, "", "2025-07-01T12:00"),
        (1_751_371_200_000, 'unit = "ms"', "2025-07-01T12:00"),
    ],
)
def test_times_are_read_in_their_zone(
    tmp_path: Path, into: Destination, given: object, time: str, meant: str
) -> None:
    words = f", {time}" if time else ""
    mapping = EVENT.replace(', zone = "UTC"', words)
    assert run(parquet(tmp_path, rows({"at": given})), mapping, into).rejected == {}
    assert one(into)["occurred_at"] == datetime.fromisoformat(f"{meant}:00+00:00")


def test_times_of_a_zoned_column_need_no_zone(tmp_path: Path, into: Destination) -> None:
    berlin = datetime(2025, 7, 1, 12, tzinfo=ZoneInfo("Europe/Berlin"))
    pq.write_table(pa.Table.from_pylist(rows({"at": berlin})), tmp_path / "file.parquet")
    run(tmp_path / "file.parquet", EVENT.replace(', zone = "UTC"', ""), into)
    assert one(into)["occurred_at"] == berlin


@pytest.mark.parametrize(
    ("sql", "hour"), [("TIMESTAMP '2025-07-01 12:00'", 16), ("TIMESTAMPTZ '2025-07-01 12:00Z'", 12)]
)
def test_a_computed_time_is_in_its_own_zone_or_in_the_given_one(
    tmp_path: Path, into: Destination, sql: str, hour: int
) -> None:
    mapping = EVENT.replace(
        'column = "at", zone = "UTC"', f'sql = "{sql}", zone = "America/New_York"'
    )
    run(parquet(tmp_path, rows({})), mapping, into)
    assert one(into)["occurred_at"] == datetime(2025, 7, 1, hour, tzinfo=UTC)


def test_times_without_any_zone_are_refused(tmp_path: Path, into: Destination) -> None:
    with pytest.raises(InvalidArgument, match="times without a zone"):
        run(parquet(tmp_path, rows({})), EVENT.replace(', zone = "UTC"', ""), into)


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("who", None, "no customer"),
        ("who", "x" * 300, "customer id not usable"),
        ("what", "  ", "no item"),
        ("what", "x" * 201, "id or name too long or not printable"),
        ("what", "a\u0000b", "id or name too long or not printable"),
        ("what", "a\u00a0b", "id or name too long or not printable"),
        ("at", datetime(1970, 1, 1, tzinfo=UTC), "time before 1990"),
        ("at", datetime(2999, 1, 1, tzinfo=UTC), "time in the future"),
        ("at", None, "no time, or not readable"),
        ("units", 0, "quantity not positive"),
        ("units", float("nan"), "quantity not positive"),
        ("units", float("inf"), "quantity not positive"),
        ("paid", "a lot", "value not an amount"),
        ("paid", "-1", "value not an amount"),
        ("paid", "nan", "value not an amount"),
        ("coin", "pounds", "not a currency code"),
        ("kind", "bought", "unknown type"),
        ("kind", None, "unknown type"),
        ("kind", "identify", "an identify, which no file can say"),
    ],
)
def test_a_row_that_breaks_a_limit_is_counted_under_its_reason(
    tmp_path: Path, into: Destination, column: str, value: object, reason: str
) -> None:
    more = 'quantity = "units"\nvalue = "paid"\ncurrency = "coin"\n'
    mapping = EVENT.replace('"purchase"', '{ column = "kind" }') + more
    good = {"units": 1.0, "paid": "2.5", "coin": "GBP", "kind": "view"}
    report = run(parquet(tmp_path, rows(good, {**good, column: value})), mapping, into)
    assert (report.rows, report.accepted, report.rejected) == (2, 1, {reason: 1})


def test_rules_and_values_make_types(tmp_path: Path, into: Destination) -> None:
    mapping = EVENT.replace('"purchase"', '{ column = "kind", values = { B = "purchase" } }') + (
        '[[event.rules]]\ntype = "return"\nwhen = { column = "n", below = 0 }\n'
        '[[event.rules]]\ntype = "cart"\nwhen = { sql = "n > 100" }\n'
    )
    given = rows({"kind": "B", "n": 1}, {"kind": "B", "n": -1}, {"kind": "?", "n": 1000})
    assert run(parquet(tmp_path, given), mapping, into).accepted == 3
    assert sorted(found["type"] for found in events(into.lake)) == ["cart", "purchase", "return"]


@pytest.mark.parametrize(
    ("when", "left"),
    [
        ("empty = true", ["-1", "C1", "a'b"]),
        ("empty = false", [None]),
        ('equals = "C1"', ["-1", "a'b", None]),
        ("equals = -1", ["C1", "a'b", None]),
        ("""one_of = ["C1", "a'b"]""", ["-1", None]),
        ("one_of = []", ["-1", "C1", "a'b", None]),
        ('starts_with = "C"', ["-1", "a'b", None]),
        ('matches = "^[a-z]"', ["-1", "C1", None]),
        ("below = 0", ["C1", "a'b", None]),
        ("at_most = -1.0", ["C1", "a'b", None]),
        ("above = -2", ["C1", "a'b", None]),
        ("at_least = 0", ["-1", "C1", "a'b", None]),
    ],
)
def test_rows_are_rejected_by_rules(
    tmp_path: Path, into: Destination, when: str, left: list[str | None]
) -> None:
    mapping = EVENT + (
        f'send = "n"\n[[event.reject]]\nreason = "not wanted"\nwhen = {{ column = "n", {when} }}\n'
    )
    given = rows({"n": "C1"}, {"n": "-1"}, {"n": "a'b"}, {"n": None})
    report = run(parquet(tmp_path, given), mapping, into)
    assert report.rejected == ({"not wanted": 4 - len(left)} if len(left) < 4 else {})
    assert sorted(str(found.get("send")) for found in events(into.lake)) == sorted(map(str, left))


def test_a_product_without_its_sign_is_a_value(tmp_path: Path, into: Destination) -> None:
    mapping = EVENT + (
        'quantity = { column = "n", absolute = true }\n'
        'value = { product = ["n", "price"], absolute = true }\nblock = { sql = "what || 1" }'
    )
    run(parquet(tmp_path, rows({"n": -3, "price": 0.55})), mapping, into)
    found = one(into)
    assert (found["quantity"], found["value"], found["block"]) == (3.0, 1.65, "lamp1")


@pytest.mark.parametrize(("flag", "kept"), [("true", "True"), ("false", "False")])
def test_a_constant_may_be_a_truth(tmp_path: Path, into: Destination, flag: str, kept: str) -> None:
    run(parquet(tmp_path, rows({})), EVENT + f"block = {{ constant = {flag} }}", into)
    assert one(into)["block"] == kept.lower()


def test_whole_numbers_that_came_as_floats_are_whole(tmp_path: Path, into: Destination) -> None:
    given = rows({"who": 13085.0, "what": 1.5}, {"who": None, "what": 1.0})
    run(parquet(tmp_path, given), EVENT, into)
    assert (one(into)["customer"], one(into)["item"]) == (KEYS.resolve("13085"), "1.5")


def test_csv_keeps_leading_zeros_and_counts_broken_lines(tmp_path: Path, into: Destination) -> None:
    file = csv(
        tmp_path,
        "who,what,at",
        "7,00123,2026-02-01",
        "7,456",
        "7,789,2026-02-01,what is this",
        "8,00124,2026-02-01",
    )
    report = run(file, EVENT, into)
    assert (report.rows, report.accepted) == (4, 2)
    assert report.rejected == {"line not readable": 2}
    assert [found["item"] for found in events(into.lake)] == ["00123", "00124"]


def test_broken_lines_of_a_joined_file_are_not_counted(tmp_path: Path, into: Destination) -> None:
    (tmp_path / "zones.csv").write_text("who,zone\n7,hero\n8\n9\n")
    mapping = EVENT + (
        'block = "zone"\n[source]\ntables = { zones = "zones.csv" }\n'
        'query = "SELECT file.*, zone FROM file JOIN zones USING (who)"\n'
    )
    report = run(csv(tmp_path, "who,what,at", "7,lamp,2026-02-01", "7,hat"), mapping, into)
    assert (report.rows, report.rejected) == (2, {"line not readable": 1})


def test_broken_lines_of_a_file_of_items_are_counted(tmp_path: Path, into: Destination) -> None:
    report = run(csv(tmp_path, "what,label", "lamp,Lamp", "hat"), ITEMS, into)
    assert (report.items, report.items_rejected) == (1, {"line not readable": 1})


def test_csv_may_have_another_delimiter_and_encoding(tmp_path: Path, into: Destination) -> None:
    file = csv(tmp_path, "who;what;at", "7;café;2026-02-01", encoding="latin-1")
    mapping = EVENT + '[source]\nformat = "csv"\ndelimiter = ";"\nencoding = "latin-1"\n'
    run(file, mapping, into)
    assert one(into)["item"] == "café"


def test_a_query_joins_files_that_lie_beside(tmp_path: Path, into: Destination) -> None:
    parquet(tmp_path, [{"n": 1, "what": "hat"}], "names.parquet")
    (tmp_path / "zones.csv").write_text("n,zone\n1,hero\n")
    mapping = EVENT + (
        'block = "zone"\n[source]\ntables = { names = "names.parquet", zones = "zones.csv" }\n'
        'query = "SELECT file.* EXCLUDE (what), names.what, zone FROM file JOIN names USING (n) '
        'JOIN zones ON zones.n = CAST(file.n AS VARCHAR)"\n'
    )
    run(parquet(tmp_path, rows({"n": 1})), mapping, into)
    assert (one(into)["item"], one(into)["block"]) == ("hat", "hero")


@pytest.mark.parametrize(
    ("mapping", "says"),
    [
        (EVENT.replace('"who"', '"wo"'), "shop: event.customer = 'wo': the file has no such"),
        (EVENT + "value = {}", "event.value = .*: not exactly one"),
        (EVENT + 'value = { column = "at", sql = "1" }', "not exactly one"),
        (EVENT + 'value = { sql = "nonsense(who)" }', "nonsense"),
        (EVENT + 'value = { sql = "1 +" }', "syntax error"),
        (EVENT + 'value = { sql = "1 FROM file); SELECT (1" }', "syntax error"),
        (EVENT + """value = { sql = "error('secret ' || who)" }""", "not readable"),
        (EVENT + '[[event.rules]]\ntype = "view"\nwhen = {}', r"event.rules\[0\].when"),
        (EVENT + '[[event.reject]]\nreason = "x"\nwhen = { column = "at" }', "not exactly one"),
        (EVENT + "[source]\nquery = \"COPY file TO 'x.csv'\"", "not a single query"),
        (EVENT + "[source]\nquery = \"SELECT * FROM '/etc/passwd'\"", "(?i)passwd"),
        (EVENT + "[source]\nquery = \"SELECT * FROM read_text('/etc/passwd')\"", "(?i)permission"),
        (EVENT + '[source]\ntables = { t = "none.csv" }', "t = .*no such file"),
        (ITEMS + 'url = "https://x/{wat}"', "items.url = 'wat'"),
        (ITEMS + 'brand = { sql = "(SELECT" }', "syntax error"),
    ],
)
def test_a_mapping_that_does_not_fit_names_key_and_cure(
    tmp_path: Path, into: Destination, mapping: str, says: str
) -> None:
    with pytest.raises(InvalidArgument, match=says) as caught:
        run(parquet(tmp_path, rows({"label": "Lamp"})), mapping, into)
    assert "secret" not in str(caught.value)
    assert not (tmp_path / "x.csv").exists()


def test_a_file_that_is_missing_is_named(tmp_path: Path, into: Destination) -> None:
    with pytest.raises(InvalidArgument, match=r"none\.csv.*no such file"):
        run(tmp_path / "none.csv", EVENT, into)


@pytest.mark.parametrize("name", ["file.parquet", "file.csv"])
def test_a_file_with_nothing_in_it_is_refused(tmp_path: Path, into: Destination, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(InvalidArgument, match="the file is empty"):
        run(tmp_path / name, EVENT, into)


def test_a_file_without_names_of_columns_does_not_show_its_data(
    tmp_path: Path, into: Destination
) -> None:
    (tmp_path / "file.csv").write_text("ann@example.org,lamp,2026-02-01\n")
    with pytest.raises(InvalidArgument, match="no such column") as caught:
        run(tmp_path / "file.csv", EVENT, into)
    assert "ann" not in str(caught.value)


@pytest.mark.parametrize("name", ["file.parquet", "file.pq"])
def test_a_file_that_is_not_what_it_says_is_refused(
    tmp_path: Path, into: Destination, name: str
) -> None:
    (tmp_path / name).write_bytes(b"not parquet at all")
    with pytest.raises(InvalidArgument, match="shop: source"):
        run(tmp_path / name, EVENT, into)


def test_a_folder_that_is_no_delta_table_is_refused(tmp_path: Path, into: Destination) -> None:
    with pytest.raises(InvalidArgument, match="not a Delta table"):
        run(tmp_path, EVENT, into)


def test_a_customer_is_hashed_once_for_all_rows(
    tmp_path: Path, into: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    real = CustomerKeys.resolve

    def resolve(keys: CustomerKeys, text: str) -> str:
        asked.append(text)
        return real(keys, text)

    monkeypatch.setattr(CustomerKeys, "resolve", resolve)
    monkeypatch.setattr(source_file, "READ_ROWS", 2048)  # several batches
    run(parquet(tmp_path, rows(*({"what": str(number)} for number in range(5000)))), EVENT, into)
    assert asked == ["7"]


def test_memory_of_customers_is_bounded(
    tmp_path: Path, into: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("features.key_column.REMEMBERED", 1)
    monkeypatch.setattr(source_file, "READ_ROWS", 2048)
    given = rows(*({"who": str(number)} for number in range(5000)))
    assert run(parquet(tmp_path, given), EVENT, into).customers == 5000
