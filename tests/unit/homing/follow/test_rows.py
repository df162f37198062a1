"""Debezium's envelopes as messages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from homing.follow.declared import parse_declared
from homing.follow.rows import UNKNOWN, Reshaped, Rows, Shape, reshaped
from tests.unit.homing.follow.test_tables import FILE

ROW = {"id": 7, "customer": "ann", "sku": "lamp", "status": "paid", "ordered_at": "2026-01-02Z"}
COLUMNS = {
    "id": "bigint",
    "customer": "text",
    "sku": "text",
    "status": "text",
    "ordered_at": "date",
}
FULL = Shape(COLUMNS, frozenset(COLUMNS), full=True)
KEYED = Shape(COLUMNS, frozenset({"id"}), full=False)
LSN = 0x2_0152BDF0
AT = 1_795_358_038_784_052


def rows(shape: Shape | None = FULL, later: Shape | None = None, file: str = FILE) -> Rows:
    declared = parse_declared(file, "shop.toml")
    assert declared.changes is not None
    shapes = {} if shape is None else {"public.orders": shape}
    return Rows(declared.changes, declared.event, shapes, lambda _: later)


def envelope(op: str, before: object = None, after: object = None) -> bytes:
    source = {"schema": "public", "table": "orders", "lsn": LSN, "ts_us": AT, "db": "shop"}
    return json.dumps({"op": op, "source": source, "before": before, "after": after}).encode()


def said(reader: Rows, value: bytes) -> Mapping[str, Any]:
    message = reader.message(value)
    assert message is not None
    assert not message.trouble
    body: dict[str, Any] = json.loads(message.body)
    assert (message.kind, message.position) == (body["kind"], body["position"])
    return body


def test_a_new_row_is_told_flat() -> None:
    row = {**ROW, "ordered_at": "2026-01-02"}
    assert said(rows(), envelope("c", None, ROW)) == {
        "table": "public.orders",
        "op": "created",
        "kind": "bought",
        "row": row,
        "before": None,
        "after": row,
        "at": "2026-01-02",
        "position": "2/152BDF0",
    }


def test_an_update_is_of_when_it_was_committed() -> None:
    body = said(rows(), envelope("u", ROW, {**ROW, "status": "refunded"}))
    assert (body["op"], body["kind"]) == ("updated", "returned")
    assert body["at"] == "2026-11-22T14:33:58.784052+00:00"
    assert (body["before"]["status"], body["row"]["status"]) == ("paid", "refunded")


def test_a_row_without_its_time_is_of_when_it_was_committed() -> None:
    body = said(rows(), envelope("r", None, {**ROW, "ordered_at": None}))
    assert (body["op"], body["at"][:10]) == ("read", "2026-11-22")


def test_a_deleted_row_is_told_as_it_last_was() -> None:
    body = said(rows(), envelope("d", ROW, None))
    assert (body["op"], body["kind"], body["row"]["sku"]) == ("deleted", "returned", "lamp")
    assert body["after"] is None


def test_an_update_that_leaves_the_meaning_says_nothing() -> None:
    assert rows().message(envelope("u", ROW, {**ROW, "sku": "chair"})) is None
    unknown_before = envelope("u", None, {**ROW, "sku": "chair"})
    assert said(rows(KEYED), unknown_before)["kind"] == "bought"


def test_an_update_counts_always_where_no_state_is_named() -> None:
    file = FILE.replace('state = "status"', "").replace("states =", "# states =")
    assert said(rows(file=file), envelope("u", ROW, ROW))["kind"] == "updated"


def test_of_a_deleted_row_only_the_key_is_believed_unless_whole_rows_are_logged() -> None:
    # Debezium fills the rest with nothing, or with the column's default.
    before = {**dict.fromkeys(COLUMNS), "id": 7}
    wanted = FILE.replace('bought = "purchase"', 'bought = "purchase", returned = "return"')
    message = rows(KEYED, file=wanted).message(envelope("d", before, None))
    assert message is not None
    assert json.loads(message.body)["before"] == {"id": 7}
    assert "does not log customer, sku of a row" in message.trouble
    assert "ALTER TABLE public.orders REPLICA IDENTITY FULL" in message.trouble


def test_a_deleted_row_that_nobody_asks_for_is_no_trouble() -> None:
    assert said(rows(KEYED), envelope("d", {"id": 7}, None))["row"] == {"id": 7}


def test_an_update_lacks_what_is_asked_of_before() -> None:
    file = FILE.replace('"row.customer"', '"before.customer"')
    message = rows(KEYED, file=file).message(envelope("u", None, ROW))
    assert message is not None
    assert "does not log customer of a row" in message.trouble


def test_what_did_not_change_and_is_not_logged_is_left_out() -> None:
    body = said(rows(KEYED), envelope("u", None, {**ROW, "sku": UNKNOWN}))
    assert "sku" not in body["row"]


def test_json_in_a_column_is_json_in_the_message() -> None:
    shape = Shape({**COLUMNS, "lines": "jsonb", "note": "json"}, FULL.key, full=True)
    row = {**ROW, "lines": '[{"sku": "lamp"}]', "note": "{", "customer": '{"a": 1}'}
    body = said(rows(shape), envelope("c", None, row))
    assert body["row"]["lines"] == [{"sku": "lamp"}]
    assert (body["row"]["note"], body["row"]["customer"]) == ("{", '{"a": 1}')


def test_a_table_that_has_changed_is_looked_at_once() -> None:
    asked: list[str] = []
    wider = Shape({**COLUMNS, "lines": "jsonb"}, frozenset(), full=False)

    def look(table: str) -> Shape:
        asked.append(table)
        return wider

    declared = parse_declared(FILE, "shop.toml")
    assert declared.changes is not None
    reader = Rows(declared.changes, declared.event, {"public.orders": FULL}, look)
    row = {**ROW, "lines": "[1]"}
    for _ in range(3):
        assert said(reader, envelope("c", None, row))["row"]["lines"] == [1]
    assert asked == ["public.orders"]


def test_a_table_that_can_not_be_looked_at_is_read_as_it_was() -> None:
    reader = rows(FULL, later=None)
    assert said(reader, envelope("c", None, {**ROW, "new": 1}))["row"]["ordered_at"] == "2026-01-02"
    assert said(rows(None), envelope("c", None, ROW))["row"] == ROW


def test_a_state_whose_column_is_gone_is_a_dead_letter_with_the_cure() -> None:
    row = {name: value for name, value in ROW.items() if name != "status"}
    message = rows().message(envelope("c", None, row))
    assert message is not None
    assert message.trouble == "public.orders has no column status any more: mend changes.state"


@pytest.mark.parametrize("value", [b"null", b"{}", b"not JSON", b'{"op": "c"}'])
def test_what_is_no_envelope_is_a_dead_letter(value: bytes) -> None:
    message = rows().message(value)
    assert message is not None
    assert (message.body, bool(message.trouble)) == (value, True)


def test_what_is_no_change_of_a_row_says_nothing() -> None:
    assert rows().message(envelope("m")) is None
    assert rows().message(envelope("t")) is None


def test_a_table_differs_by_columns_that_come_go_or_turn() -> None:
    before = {"id": "integer", "sku": "text", "note": "text"}
    now = {"id": "bigint", "sku": "text", "lines": "jsonb"}
    assert reshaped(before, now) == Reshaped(("lines",), ("note",), ("id",))
    assert reshaped(now, now) is None


@pytest.mark.parametrize("value", [b'{"op":"c\xff"}', b"[" * 100_000, b'{"op":' * 100_000])
def test_what_is_no_envelope_at_all_is_reported(value: bytes) -> None:
    message = rows().message(value)
    assert message is not None
    assert message.trouble.startswith("not a change as Debezium writes it")


@pytest.mark.parametrize("at", [-1, 10**18, 2**63])
def test_a_time_that_no_calendar_has_is_reported(at: int) -> None:
    value = envelope("d", ROW).replace(str(AT).encode(), str(at).encode())
    message = rows().message(value)
    assert message is not None
    assert message.trouble.startswith("not a change as Debezium writes it")
