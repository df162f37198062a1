"""What `[changes]` says: tables of a database whose changes are followed, and what states mean.

A row's state is what it is now, so a table of orders tells by it what became of each: `state` names
its column, and `states` gives several states the same meaning, like `returned` for `cancelled`,
`refunded` and `deleted`. That meaning is a message's `kind`. What is read again, after a kill or by
a second look at the whole table, has the same kind and differs in all else; so ids of events are
made of a row's own id and its kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from features.sources.generic_mapping import EventPaths, Kind, Moment, Value, listed
from features.toml_tables import Table, refused

DELETED: Final = "deleted"
"""The state of a row that is gone."""
READ: Final = "read"
CREATED: Final = "created"

_SLOT = re.compile(r"[a-z0-9_]{1,63}")
_TABLE = re.compile(r"[^.\"\\\x00]+(?:\.[^.\"\\\x00]+)?")
_COLUMN = re.compile(r"(?:\$\.)?(row|before|after)\.([^.\[\]]+)")
_LEAST_MEMORY = 96


class Changes(Table, frozen=True):
    """Tables of PostgreSQL; the database's URL is the variable `HOMING_FOLLOW_<SOURCE>_URL`.

    Attributes:
        tables: Their names, with a schema before the dot or without.
        schema: Of those that are named without.
        snapshot: `initial` reads the rows that are there at the first start; `never` does not.
        snapshot_where: A condition in SQL on the rows that are read then.
        slot: The replication slot; `homing_<source>` without it.
        publication: The publication; `homing_<source>` without it.
        state: The column that says what a row is now.
        states: State → what it means, `deleted` for rows that are gone; others mean themselves.
        time: The column that says since when a row is there; messages of rows that are read or
            created have it as `at`.
        memory: MiB that Java may use for what it holds.
    """

    tables: tuple[str, ...]
    schema: str = "public"
    snapshot: Literal["initial", "never"] = "initial"
    snapshot_where: str | None = None
    slot: str | None = None
    publication: str | None = None
    state: str | None = None
    states: dict[str, str] = msgspec.field(default_factory=dict)
    time: str | None = None
    memory: int = 256

    def names(self) -> tuple[str, ...]:
        """The tables, each with its schema."""
        return tuple(one if "." in one else f"{self.schema}.{one}" for one in self.tables)

    def slot_of(self, source: str) -> str:
        """The slot's name."""
        return self.slot or _usual(source)

    def publication_of(self, source: str) -> str:
        """The publication's name."""
        return self.publication or _usual(source)

    def kind_of(self, op: str, row: dict[str, object]) -> str:
        """What a row's state means; what happened to it, where no column is named.

        A row that was there already means the same as one that is created.
        """
        if self.state is None:
            return CREATED if op == READ else op
        state = DELETED if op == DELETED else _text(row.get(self.state))
        return self.states.get(state, state)


def check_changes(changes: Changes, event: EventPaths, name: str) -> None:
    """Return if changes can be followed so, and count once.

    Args:
        changes: Of a TOML file.
        event: What becomes of them.
        name: Of the file, for messages.

    Raises:
        InvalidArgument: They can't; names file, key, value and cure.
    """
    for table in changes.tables:
        if _TABLE.fullmatch(table) is None:
            cure = "write it like orders or shop.orders"
            raise refused(name, "changes.tables", table, "not a table's name", cure)
    if not changes.tables:
        raise refused(name, "changes.tables", (), "missing", "name the tables to follow")
    if changes.slot is not None and _SLOT.fullmatch(changes.slot) is None:
        cure = "use a-z, 0-9 and _, 63 at most"
        raise refused(name, "changes.slot", changes.slot, "not a slot's name", cure)
    if changes.states and changes.state is None:
        cure = "name the column as changes.state"
        raise refused(name, "changes.states", changes.states, "states of no column", cure)
    if changes.memory < _LEAST_MEMORY:
        cure = f"give {_LEAST_MEMORY} or more"
        raise refused(name, "changes.memory", changes.memory, "too little for Java", cure)
    _check_ids(changes, event, name)
    _check_time(changes, event, name)


def columns_of(event: EventPaths) -> tuple[frozenset[str], frozenset[str]]:
    """The columns that events are made of: of the row, and of the row as it was before."""
    found = [found for path in _paths(event) if (found := _COLUMN.match(path))]
    row = frozenset(one[2] for one in found if one[1] == "row")
    return row, frozenset(one[2] for one in found if one[1] == "before")


def is_told(kind: str, op: str, event: EventPaths) -> bool:
    """Whether messages of a kind and an `op` become events."""
    told = event.type
    if not isinstance(told, Kind) or told.others == "refuse":
        return True
    given = {"kind": kind, "op": op}.get(whole_path(told.path, event))
    return given is None or given in told.values


def whole_path(path: str, event: EventPaths) -> str:
    """A path from the message on; one that begins at an element of a list leads nowhere else."""
    if event.each is None or path.startswith("$."):
        return path.removeprefix("$.")
    return f"{event.each}.{path}"


def _check_ids(changes: Changes, event: EventPaths, name: str) -> None:
    ids = {whole_path(path, event) for path in listed(event.id)}
    cure = 'make it of the row\'s own id and of what it means now, like ["row.id", "kind"]'
    if not any(path.startswith(("row.", "before.")) for path in ids):
        raise refused(name, "event.id", event.id, "does not name the row", cure)
    again = ids & {"op", "at"} | (ids & {"position"} if changes.snapshot == "initial" else set())
    if again:
        reason = (
            f"{', '.join(sorted(again))} differs when a row is read again: it would count twice"
        )
        raise refused(name, "event.id", event.id, reason, cure)
    if len(changes.tables) > 1 and "table" not in ids:
        cure = 'put "table" into it'
        raise refused(name, "event.id", event.id, "rows of several tables may share it", cure)


def _check_time(changes: Changes, event: EventPaths, name: str) -> None:
    path = event.time.path if isinstance(event.time, Moment) else event.time
    now = path is None or whole_path(path, event) == "at"
    if now and changes.snapshot == "initial" and changes.time is None:
        reason = "would date rows that were there before with the day on which they are read"
        cure = 'name the column that has their time as changes.time, or say snapshot = "never"'
        raise refused(name, "event.time", path, reason, cure)


def _paths(event: EventPaths) -> Iterator[str]:
    for field in event.__struct_fields__:
        given = getattr(event, field)
        if field in {"customer", "id", "email", "each"}:
            yield from listed(given)
        elif isinstance(given, Kind | Moment | Value):
            yield from listed(given.path)
        elif isinstance(given, str) and field != "type":
            yield given


def _usual(source: str) -> str:
    return "homing_" + source.replace("-", "_")[: 63 - len("homing_")]


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else msgspec.json.encode(value).decode()
