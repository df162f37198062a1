"""Repairs of dead letters: a TOML file that says field by field what is wrong.

`set` gives fields, each by its path, a value: another path of the same letter, or a table
`{constant = "GBP"}`, `{path = "cents", times = 0.01}`, `{path = "pieces", absolute = true}`, in the
words of the mapping of a webhook (`features.sources.generic_mapping`). `remove` names fields that
go away; first values are taken, then fields removed, then values set.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from features.errors import InvalidArgument
from features.sources.generic_mapping import Value, is_path, route, value_of
from features.toml_tables import Table, parse_table, read_text, refused

PAGE: Final = "docs/sources.md"
EXAMPLE: Final = "the one in docs/sources.md"

_JSON = msgspec.json.Decoder()
_PACKED = msgspec.msgpack.Decoder()
_PACKED_STARTS = frozenset(bytes([first]) for first in (*range(0x80, 0x90), 0xDE, 0xDF))


class Repair(Table, frozen=True):
    """A whole repair.

    Attributes:
        set: Path of a field → where its value comes from.
        remove: Paths of fields.
    """

    set: dict[str, str | Value] = msgspec.field(default_factory=dict)
    remove: tuple[str, ...] = ()


def load_repair(path: Path) -> Repair:
    """The repair that a TOML file holds.

    Raises:
        InvalidArgument: It can't be read, or is none; names file, key, value and cure.
    """
    return parse_repair(read_text(path, EXAMPLE), str(path))


def parse_repair(text: str, name: str) -> Repair:
    """The repair that a TOML text holds.

    Args:
        text: The TOML.
        name: Of the file, for messages.

    Raises:
        InvalidArgument: It is none; names file, key, value and cure.
    """
    repair = parse_table(text, name, Repair, PAGE)
    if not repair.set and not repair.remove:
        raise refused(name, "set", "", "changes nothing", "say what to set or to remove")
    for field, given in repair.set.items():
        value = _value(given)
        if (value.path is None) == (value.constant is None):
            cure = "give either a path or a constant"
            raise refused(name, f"set.{field}", value.path, "not one value", cure)
        _check_path(name, f"set.{field}", value.path)
    for key, fields in (("set", tuple(repair.set)), ("remove", repair.remove)):
        for field in fields:
            _check_path(name, key, field)
    return repair


def is_packed(body: bytes) -> bool:
    """Whether a letter's bytes are an event as the log keeps it; no JSON begins as one does."""
    return body[:1] in _PACKED_STARTS


def repaired(body: bytes, repair: Repair, *, packed: bool) -> bytes:
    """A letter's bytes with a repair.

    Args:
        body: JSON, or an event as the log keeps it.
        repair: What to change.
        packed: Whether it is an event as the log keeps it.

    Raises:
        InvalidArgument: It is neither, or the repair puts a part of it into itself.
    """
    try:
        root = _PACKED.decode(body) if packed else _JSON.decode(body)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        value, cure = f"{len(body)} bytes", "edit the bytes instead"
        raise InvalidArgument.of(value, field="letter", reason="not JSON", cure=cure) from error
    values = {field: _found(root, _value(given)) for field, given in repair.set.items()}
    for field in repair.remove:
        _remove(root, field)
    for field, found in values.items():
        if found is not None:
            _set(root, field, found)
    try:
        return msgspec.msgpack.encode(root) if packed else msgspec.json.encode(root)
    except RecursionError as error:
        reason, cure = "it has no end: a part would hold itself", "set a field to a part below it"
        value = f"{len(body)} bytes"
        raise InvalidArgument.of(value, field="letter", reason=reason, cure=cure) from error


def _check_path(name: str, key: str, path: str | None) -> None:
    if path is not None and not is_path(path):
        cure = "write names with dots between, [0] for a place in a list, like lines[0].sku"
        raise refused(name, key, path, "not a path", cure)


def _value(given: str | Value) -> Value:
    return value_of(given) or Value()


def _found(root: object, value: Value) -> object:
    if value.path is None:
        return value.constant
    found = route(value.path).find(root, root)
    if isinstance(found, int | float) and not isinstance(found, bool):
        return value.scaled(found)  # an id stays the whole number that it is
    return found


def _remove(root: object, field: str) -> None:
    *way, last = route(field).steps
    place = _place(root, way)
    if isinstance(place, dict) and isinstance(last, str):
        place.pop(last, None)
    elif isinstance(place, list) and isinstance(last, int) and last < len(place):
        del place[last]


def _set(root: object, field: str, value: object) -> None:
    *way, last = route(field).steps
    place = _place(root, way, make=True)
    inside = isinstance(place, list) and isinstance(last, int) and last < len(place)
    if inside or (isinstance(place, dict) and isinstance(last, str)):
        place[last] = value  # type: ignore[index]  # one of the two


def _place(root: object, way: list[str | int], *, make: bool = False) -> object:
    """Where the way leads; tables that are missing on it are made, where they shall be."""
    for step in way:
        if isinstance(step, str) and isinstance(root, dict):
            root = root.setdefault(step, {}) if make else root.get(step)
        elif isinstance(step, int) and isinstance(root, list) and step < len(root):
            root = root[step]
        else:
            return None
    return root
