"""Tables of TOML files that people write: read, and refused with file, key, value and cure."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TypeVar

import msgspec

from features.errors import InvalidArgument

Scalar = str | int | float | bool

Kind = TypeVar("Kind")


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the TOML file; a word that it does not know is refused."""


def read_text(path: Path, example: str) -> str:
    """The text of a file that people write.

    Args:
        path: Its path.
        example: Path of one of its kind, for messages.

    Raises:
        InvalidArgument: It can't be read, or is not UTF-8; names file and cure.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        cure = f"give the path of a file like {example}"
        reason = f"can't be read: {error.strerror}"
        raise InvalidArgument.of(str(path), field="mapping", reason=reason, cure=cure) from error
    except UnicodeDecodeError as error:
        raise refused(str(path), "", "", "not UTF-8", "save it as UTF-8") from error


def parse_table(text: str, name: str, kind: type[Kind], page: str) -> Kind:
    """What a TOML text says, as a table of one kind.

    Args:
        text: The TOML.
        name: Of the file, for messages.
        kind: The type; forbids words that it does not know.
        page: The page of the docs that tells the words.

    Raises:
        InvalidArgument: It is no such table; names file, key, value and cure.
    """
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also of numbers and nesting without end
        value = f"{len(text)} characters"
        raise refused(name, "", value, f"not TOML: {error}", "mend that line") from error
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        reason, _, where = str(error).partition(" - at `$.")
        key = where.rstrip("`")
        cure = f"see {page} for the words of a mapping"
        raise refused(name, key, _value_at(raw, key), reason, cure) from error


def refused(name: str, key: str, value: object, reason: str, cure: str) -> InvalidArgument:
    """The error for one key of a mapping."""
    field = f"{name}: {key}" if key else name
    return InvalidArgument.of(value, field=field, reason=reason, cure=cure)


def _value_at(raw: object, key: str) -> object:
    for part in key.replace("[", ".").replace("]", "").split("."):
        if isinstance(raw, dict) and part in raw:
            raw = raw[part]
        elif isinstance(raw, list) and part.isdigit():
            raw = raw[int(part)]
    return raw
