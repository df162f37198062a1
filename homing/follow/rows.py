"""A change of a row as the message that a mapping reads.

Debezium tells a change as an envelope with the row before and after it, where it happened, and when
(https://debezium.io/documentation/reference/stable/connectors/postgresql.html, "Data change
events"). A message says the same in fewer words, all of them plain JSON:

- `op`: `created`, `updated`, `deleted`, or `read` for a row that was there at the first start;
- `kind`: what the row's state means (`Changes.kind_of`);
- `row`: the row as it is now, or as it last was; `before` and `after`;
- `at`: when, in ISO 8601; `position`: where in the database's log; `table`: of which table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, NamedTuple

import msgspec

from features.errors import UNDECODABLE
from features.sources.generic_mapping import EventPaths
from homing.follow.stream import Message
from homing.follow.tables import CREATED, DELETED, READ, Changes, columns_of, is_told

UPDATED: Final = "updated"
OPS: Final[Mapping[str, str]] = {"c": CREATED, "u": UPDATED, "d": DELETED, "r": READ}
"""Debezium's word → ours."""
UNKNOWN: Final = "__debezium_unavailable_value"
"""Stands for a long value that did not change, where the database does not log whole rows."""

Row = dict[str, object]


class Shape(msgspec.Struct, frozen=True):
    """How a table is made.

    Attributes:
        columns: Name → type, as PostgreSQL writes it.
        key: The columns that are known of a row before its change.
        full: Whether all are: REPLICA IDENTITY FULL.
    """

    columns: dict[str, str]
    key: frozenset[str]
    full: bool


class Reshaped(NamedTuple):
    """How a table has changed.

    Attributes:
        appeared: Columns that are new.
        gone: Columns that are no more.
        changed: Columns of another type.
    """

    appeared: tuple[str, ...]
    gone: tuple[str, ...]
    changed: tuple[str, ...]


def reshaped(before: Mapping[str, str], now: Mapping[str, str]) -> Reshaped | None:
    """How columns differ, name → type; None when they don't."""
    found = Reshaped(
        appeared=tuple(sorted(now.keys() - before.keys())),
        gone=tuple(sorted(before.keys() - now.keys())),
        changed=tuple(sorted(one for one in now.keys() & before.keys() if now[one] != before[one])),
    )
    return found if any(found) else None


_LATEST: Final = 250_000_000_000_000_000
"""Microseconds since 1970 that a calendar has: until the year 9892."""


class _Place(msgspec.Struct, frozen=True):
    schema: str
    table: str
    ts_us: Annotated[int, msgspec.Meta(ge=0, le=_LATEST)]
    lsn: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | None = None


class _Envelope(msgspec.Struct, frozen=True):
    op: str
    source: _Place
    before: Row | None = None
    after: Row | None = None


class _Said(msgspec.Struct, frozen=True):
    table: str
    op: str
    kind: str
    row: Row
    before: Row | None
    after: Row | None
    at: object
    position: str


_SHAPELESS: Final = Shape({}, frozenset(), full=False)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ENVELOPES = msgspec.json.Decoder(_Envelope)
_ANYTHING = msgspec.json.Decoder()


class Rows:
    """Reads changes of the followed tables.

    Args:
        changes: What is followed.
        event: What becomes of it.
        shapes: Table, with its schema → how it is made.
        shape_of: Asks the database for that again, where rows have other columns.
    """

    def __init__(
        self,
        changes: Changes,
        event: EventPaths,
        shapes: Mapping[str, Shape],
        shape_of: Callable[[str], Shape | None],
    ) -> None:
        self._changes = changes
        self._event = event
        self._shapes = dict(shapes)
        self._columns = {table: set(shape.columns) for table, shape in shapes.items()}
        self._shape_of = shape_of
        self._needed, self._needed_before = columns_of(event)

    def message(self, value: bytes) -> Message | None:
        """What a change says; None when it says nothing of what a row means."""
        try:
            told = _ENVELOPES.decode(value)
        except UNDECODABLE:
            trouble = "not a change as Debezium writes it: report it"
            return Message("", "", value, trouble)
        op, table = OPS.get(told.op), f"{told.source.schema}.{told.source.table}"
        if op is None:
            return None
        shape = self._shape(table, told.after)
        before, after = _plain(told.before, shape), _plain(told.after, shape)
        if before is not None and not shape.full:
            before = {name: value for name, value in before.items() if name in shape.key}
        row = (before if op == DELETED else after) or {}
        kind = self._changes.kind_of(op, row)
        if op == UPDATED and self._means_the_same(kind, before):
            return None
        position = _position(told.source.lsn or 0)
        at = self._at(op, row, told.source.ts_us)
        said = _Said(table, op, kind, row, before, after, at, position)
        trouble = "" if shape.full and op == DELETED else self._trouble(said)
        return Message(position, kind, msgspec.json.encode(said), trouble)

    def _shape(self, table: str, after: Row | None) -> Shape:
        shape = self._shapes.get(table, _SHAPELESS)
        if after is not None and after.keys() != self._columns.get(table):
            # Asked once for all rows that look so: those of before the table changed differ too.
            self._columns[table] = set(after)
            shape = self._shape_of(table) or shape
            self._shapes[table] = shape
        return shape

    def _means_the_same(self, kind: str, before: Row | None) -> bool:
        state = self._changes.state
        if state is None or before is None or state not in before:
            return False
        return self._changes.kind_of(UPDATED, before) == kind

    def _at(self, op: str, row: Row, microseconds: int) -> object:
        since = row.get(self._changes.time) if self._changes.time is not None else None
        if since is not None and op in {READ, CREATED}:
            return since
        return (_EPOCH + timedelta(microseconds=microseconds)).isoformat()

    def _trouble(self, said: _Said) -> str:
        """Why a message can't be read, with the cure."""
        state = self._changes.state
        if said.op != DELETED and state is not None and state not in said.row:
            return f"{said.table} has no column {state} any more: mend changes.state"
        lacking = self._needed - said.row.keys() if said.op == DELETED else frozenset()
        if said.op in {UPDATED, DELETED}:
            lacking |= self._needed_before - (said.before or {}).keys()
        if not lacking or not is_told(said.kind, said.op, self._event):
            return ""
        columns = ", ".join(sorted(lacking))
        cure = f"ALTER TABLE {said.table} REPLICA IDENTITY FULL"
        return f"the database does not log {columns} of a row before its change: {cure}"


def _plain(row: Row | None, shape: Shape) -> Row | None:
    """A row's values, those that are not known left out."""
    if row is None:
        return None
    types = shape.columns
    return {
        name: _value(value, types.get(name, "")) for name, value in row.items() if value != UNKNOWN
    }


def _value(value: object, kind: str) -> object:
    if not isinstance(value, str):
        return value
    if kind == "date":
        return value.removesuffix("Z")  # a day has no zone, whatever Debezium says
    if kind in {"json", "jsonb"}:
        try:
            return _ANYTHING.decode(value)
        except (msgspec.DecodeError, RecursionError):
            return value
    return value


def _position(lsn: int) -> str:
    """A place in the log as PostgreSQL writes it."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFF_FFFF:X}"
