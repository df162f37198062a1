"""Records of a source as flat rows, in memory: outside ids become keys before anything is written.

A row has text and numbers only. What is written of a record is what the file names, and besides
that the names and kinds of its fields, by which a change of the source is told.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from features import columns as c
from features.errors import InputError
from features.identity import CustomerKeys
from features.sources.generic_mapping import Route, listed, route
from features.sources.reading import email_id
from homing.sync.declared import SAID, Rows

MODULUS: Final = 2**64
MOST_FIELDS: Final = 500
"""Names of fields that are remembered."""
DEPTH: Final = 3

Row = dict[str, str | float | None]


class Fetched(msgspec.Struct, kw_only=True):
    """What was ever fetched of a source; dlt keeps it with the cursor.

    Attributes:
        records: Of the source.
        rows: Made of them.
        said: Sum of their checksums modulo 2⁶⁴, 16 hex digits.
        fields: Name → kind of the records' fields.
        given: Column → rows that have something in it.
    """

    records: int = 0
    rows: int = 0
    said: str = f"{0:016x}"
    fields: dict[str, str] = msgspec.field(default_factory=dict)
    given: dict[str, int] = msgspec.field(default_factory=dict)

    def add(self, records: Iterable[Mapping[str, object]], flattener: Flattener) -> list[Row]:
        """Count records in; gives their rows."""
        made: list[Row] = []
        for record in records:
            kinds(record, self.fields)
            self.records += 1
            made += flattener.rows(record)
        total = int(self.said, 16)
        for row in made:
            total += int(str(row[SAID]), 16)
            for name, value in row.items():
                if value is not None:
                    self.given[name] = self.given.get(name, 0) + 1
        self.rows += len(made)
        self.said = f"{total % MODULUS:016x}"
        return made


# What may be the name of a field, and is no id that somebody uses as one.
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,59}")


class Flattener:
    """Makes rows of records.

    Args:
        rows: How.
        keys: Makes the customer keys.
    """

    def __init__(self, rows: Rows, keys: CustomerKeys) -> None:
        self._keys = keys
        self._columns = {name: route(path) for name, path in rows.columns.items()}
        self._numbers = frozenset(rows.numbers)
        self._each = None if rows.each is None else route(rows.each)
        self._customer = [route(path) for path in listed(rows.customer)]
        self._email = [route(path) for path in listed(rows.email)]

    def rows(self, record: Mapping[str, object]) -> Iterator[Row]:
        """The rows of one record, each with its checksum in the column `SAID`."""
        elements: list[object] = [record]
        if self._each is not None:
            found = self._each.find(record, record)
            elements = found if isinstance(found, list) else []
        for element in elements:
            row: Row = {
                name: self._cell(name, way, record, element) for name, way in self._columns.items()
            }
            if self._customer or self._email:
                row[c.CUSTOMER] = self._key(record, element)
            row[SAID] = f"{said(row):016x}"
            yield row

    def _cell(
        self, name: str, way: Route, record: Mapping[str, object], element: object
    ) -> str | float | None:
        found = way.find(record, element)
        return number(found) if name in self._numbers else text(found)

    def _key(self, record: Mapping[str, object], element: object) -> str | None:
        """The customer's key; None where there is none or it can't be used."""
        ids = (text(way.find(record, element)) for way in self._customer)
        mails = (email_id(text(way.find(record, element)) or "") for way in self._email)
        for outside in (*ids, *mails):
            if outside is not None and outside.strip():
                try:
                    return self._keys.resolve(outside)
                except InputError:
                    return None
        return None


def columns_of(rows: Rows) -> dict[str, bool]:
    """The columns of rows, as they are staged, and whether they are numbers."""
    whose = {c.CUSTOMER: False} if rows.customer or rows.email else {}
    return {**{name: name in rows.numbers for name in rows.columns}, **whose, SAID: False}


def said(row: Mapping[str, str | float | None]) -> int:
    """The checksum of a row: 64 bits of BLAKE2b over its columns but for `SAID`, in their order."""
    pairs = sorted((name, value) for name, value in row.items() if name != SAID)
    return int.from_bytes(hashlib.blake2b(msgspec.json.encode(pairs), digest_size=8).digest())


def text(found: object) -> str | None:
    """A value as text; None when there is nothing in it."""
    if found is None or found == "":
        return None
    return next((write(found) for kind, write in _WRITTEN if isinstance(found, kind)), str(found))


def number(found: object) -> float | None:
    """A value as a number; None where it is none, which no event lets pass as an amount."""
    if isinstance(found, bool) or not isinstance(found, int | float | str | Decimal):
        return None
    try:
        value = float(found)
    except (ValueError, OverflowError):
        return None
    return value if math.isfinite(value) else None


def kinds(record: Mapping[str, object], known: MutableMapping[str, str]) -> None:
    """Add the fields of a record, and of which kind they are, to those that are known."""
    for name, value in _fields(record, "", DEPTH):
        if name in known or len(known) < MOST_FIELDS:
            kind = _kind(value)
            before = known.get(name, kind)
            # Nothing is of every kind; whole numbers are numbers.
            known[name] = kind if before == "nothing" else before if kind == "nothing" else kind


def _fields(record: Mapping[str, object], before: str, depth: int) -> Iterator[tuple[str, object]]:
    for name, value in record.items():
        if _FIELD.fullmatch(name):
            if isinstance(value, dict) and depth > 1:
                yield from _fields(value, f"{before}{name}.", depth - 1)
            else:
                yield before + name, value


def _kind(value: object) -> str:
    return next((name for kind, name in _KINDS if isinstance(value, kind)), "text")


def _float(value: float) -> str:
    # 13085.0 means 13085.
    return str(int(value)) if value.is_integer() and abs(value) < _EXACT else repr(value)


def _moment(value: dt.datetime) -> str:
    return (value if value.tzinfo is None else value.astimezone(dt.UTC)).isoformat()


def _encodable(value: str) -> str:
    # A half of a pair of UTF-16, which JSON may hold alone, is no character.
    return value.encode("utf-8", "replace").decode()


def _json(value: object) -> str:
    try:
        return msgspec.json.encode(value, enc_hook=str).decode()
    except UnicodeEncodeError:
        return _encodable(json.dumps(value, ensure_ascii=False, default=str))


_EXACT: Final = 2**53

# The first that fits counts: a truth is a number too, and a moment a date.
_WRITTEN: Final[Sequence[tuple[Any, Callable[[Any], str]]]] = (
    (str, _encodable),
    (bool, lambda value: str(value).lower()),
    (float, _float),
    (dt.datetime, _moment),
    (dt.date, dt.date.isoformat),
    (Decimal, lambda value: format(value, "f")),
    (bytes, bytes.hex),
    ((dict, list), _json),
)
_KINDS: Final[Sequence[tuple[Any, str]]] = (
    (type(None), "nothing"),
    (bool, "truth"),
    ((int, float, Decimal), "number"),
    ((dt.datetime, dt.date), "time"),
    (list, "list"),
    (dict, "table"),
)
