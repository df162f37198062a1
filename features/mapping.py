"""What a file's columns mean: the mapping of an import, read from a TOML file.

The words are those of `Event` and `Item`; `docs/importing.md` tells them one by one, and
`homing/mappings` holds complete ones. A value is the name of a column, or a table:
`{constant = "GBP"}`, `{product = ["Quantity", "UnitPrice"]}`, `{column = "Quantity", absolute =
true}`, or `{sql = "…"}`, one DuckDB expression over the columns, which can reach no other file.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from features.errors import InvalidArgument
from features.event import EventType, is_currency

MAX_NAME = 60
"""Characters of a source's name, which its ids begin with."""

Scalar = str | int | float | bool

Kind = TypeVar("Kind")


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the TOML file; a word that it does not know is refused."""


class Value(Table, frozen=True):
    """Where a value comes from: exactly one of the first four.

    Attributes:
        column: Its column.
        product: Columns whose product it is.
        constant: The same for every row.
        sql: A DuckDB expression.
        absolute: Without its sign; returns are often written as negative lines.
    """

    column: str | None = None
    product: tuple[str, ...] | None = None
    constant: Scalar | None = None
    sql: str | None = None
    absolute: bool = False


class Moment(Table, frozen=True):
    """Where the time comes from: exactly one of the first two.

    Attributes:
        column: Its column: a timestamp, a date, a text or a number.
        sql: A DuckDB expression.
        zone: IANA name of the zone that times without one are in, like `Europe/London`.
        format: Of a text, like `%d/%m/%Y %H:%M`; ISO 8601 without one.
        unit: Of a number since 1970.
    """

    column: str | None = None
    sql: str | None = None
    zone: str | None = None
    format: str | None = None
    unit: Literal["s", "ms", "us"] = "s"


class When(Table, frozen=True):
    """A condition on a row: a column with exactly one test, or a DuckDB expression.

    Attributes:
        column: What is tested; as text, trimmed, except by the four numeric tests.
        empty: Whether there is nothing in it.
        equals: The value.
        one_of: The values.
        starts_with: The beginning.
        matches: A regular expression (RE2) that is found in it.
        below: Less than.
        at_most: Not more than.
        above: More than.
        at_least: Not less than.
        sql: The expression instead.
    """

    column: str | None = None
    empty: bool | None = None
    equals: Scalar | None = None
    one_of: tuple[Scalar, ...] | None = None
    starts_with: str | None = None
    matches: str | None = None
    below: float | None = None
    at_most: float | None = None
    above: float | None = None
    at_least: float | None = None
    sql: str | None = None


class Reject(Table, frozen=True):
    """Rows that are left out, and the name under which the report counts them."""

    reason: str
    when: When


class TypeColumn(Table, frozen=True):
    """A column that holds the type.

    Attributes:
        column: Its name.
        values: What is written there → our type; without it, our own words are expected.
    """

    column: str
    values: dict[str, EventType] = {}


class TypeRule(Table, frozen=True):
    """Rows that are of another type."""

    type: EventType
    when: When


class EventMapping(Table, frozen=True):
    """How a row becomes an event.

    Attributes:
        customer: The shop's own customer id; becomes a key before anything is written.
        time: When it happened.
        type: What happened: one type for all rows, or a column.
        rules: Types of special rows; the first that fits counts, and comes before `type`.
        item: The item's id.
        quantity: Units.
        value: Money of the whole line.
        currency: ISO 4217 code.
        block: Place in the e-mail.
        send: The e-mail's id.
        id: Columns that make a row unique. Without them an id is made of the row's content, and
            equal rows are numbered, so that importing a file again changes nothing and a line
            that was written twice counts twice.
        reject: Rows to leave out.
    """

    customer: str | Value
    time: str | Moment
    type: EventType | TypeColumn
    rules: tuple[TypeRule, ...] = ()
    item: str | Value | None = None
    quantity: str | Value | None = None
    value: str | Value | None = None
    currency: str | Value | None = None
    block: str | Value | None = None
    send: str | Value | None = None
    id: tuple[str, ...] = ()
    reject: tuple[Reject, ...] = ()


class ItemMapping(Table, frozen=True):
    """How rows become items. Of several rows with one id, what most of them say counts.

    Attributes:
        id: The item's id.
        title: What a reader sees.
        url: Address with `{column}` in it, filled in percent-encoded.
        image_url: The same for the picture.
        price: The median over the item's rows counts.
        currency: ISO 4217 code.
        categories: From the broadest to the narrowest; empty ones are left out.
        brand: As a reader knows it.
        attributes: Name → value.
        reject: Rows to leave out.
    """

    id: str | Value
    title: str | Value
    url: str | None = None
    image_url: str | None = None
    price: str | Value | None = None
    currency: str | Value | None = None
    categories: tuple[str | Value, ...] = ()
    brand: str | Value | None = None
    attributes: dict[str, str | Value] = {}
    reject: tuple[Reject, ...] = ()


class Source(Table, frozen=True):
    """What is read, and how.

    Attributes:
        format: By the file's name without one; a folder is a Delta table.
        delimiter: Of a CSV file; found out without one.
        encoding: Of a CSV file.
        tables: Name → further file beside the imported one, for `query`.
        query: A DuckDB query over `file` and `tables` whose rows are mapped instead.
    """

    format: Literal["csv", "parquet", "delta"] | None = None
    delimiter: str | None = None
    encoding: str = "utf-8"
    tables: dict[str, str] = {}
    query: str | None = None


class FileMapping(Table, frozen=True):
    """A whole mapping.

    Attributes:
        name: The source's name; goes into `Event.source` and begins every id.
        source: What is read, and how.
        event: How a row becomes an event.
        items: How rows become items.
    """

    name: str
    source: Source = Source()
    event: EventMapping | None = None
    items: ItemMapping | None = None


def load_mapping(path: Path) -> FileMapping:
    """The mapping that a TOML file holds.

    Raises:
        InvalidArgument: It can't be read, or is not a mapping; names file, key, value and cure.
    """
    text = read_text(path, "homing/mappings/online-retail-2.toml")
    return parse_mapping(text, str(path))


def read_text(path: Path, example: str) -> str:
    """The text of a TOML file.

    Args:
        path: Its path.
        example: Path of one of its kind, for messages.

    Raises:
        InvalidArgument: It can't be read, or is not UTF-8; names file and cure.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        cure = f"give the path of a TOML file, like {example}"
        reason = f"can't be read: {error.strerror}"
        raise InvalidArgument.of(str(path), field="mapping", reason=reason, cure=cure) from error
    except UnicodeDecodeError as error:
        raise refused(str(path), "", "", "not UTF-8", "save it as UTF-8") from error


def parse_mapping(text: str, name: str) -> FileMapping:
    """The mapping that a TOML text holds.

    Args:
        text: The TOML.
        name: Of the file, for messages.

    Raises:
        InvalidArgument: It is not a mapping; names file, key, value and cure.
    """
    mapping = parse_table(text, name, FileMapping, "docs/importing.md")
    check_mapping(mapping, name)
    return mapping


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


def check_name(source: str, name: str) -> None:
    """See that a source's name can begin an id.

    Args:
        source: Its name.
        name: Of the file, for messages.

    Raises:
        InvalidArgument: It can't; names file, key, value and cure.
    """
    if not 0 < len(source) <= MAX_NAME or not source.isprintable():
        cure = f"give 1 to {MAX_NAME} printable characters"
        raise refused(name, "name", source, "not a usable name", cure)


def check_currency(constant: Scalar | None, name: str) -> None:
    """See that the same currency of every event, if there is one, is a currency.

    Args:
        constant: As the mapping has it.
        name: Of the file, for messages.

    Raises:
        InvalidArgument: It is none; names file, key, value and cure.
    """
    if constant is not None and not (isinstance(constant, str) and is_currency(constant)):
        cure = "give an ISO 4217 code like GBP"
        raise refused(name, "event.currency", constant, "not a currency code", cure)


def _value_at(raw: object, key: str) -> object:
    for part in key.replace("[", ".").replace("]", "").split("."):
        if isinstance(raw, dict) and part in raw:
            raw = raw[part]
        elif isinstance(raw, list) and part.isdigit():
            raw = raw[int(part)]
    return raw


def check_mapping(mapping: FileMapping, name: str) -> None:
    """See that a mapping makes sense in itself.

    Args:
        mapping: It.
        name: Of its file, for messages.

    Raises:
        InvalidArgument: It does not; names file, key, value and cure.
    """
    check_name(mapping.name, name)
    if mapping.event is None and mapping.items is None:
        cure = "add a section [event] or [items]"
        raise refused(name, "", mapping.name, "maps nothing", cure)
    if mapping.event is not None:
        _check_event(mapping.event, name)


def _check_event(event: EventMapping, name: str) -> None:
    customer = event.customer if isinstance(event.customer, str) else event.customer.column
    if event.id and (customer is None or customer in event.id):
        # The id is kept as it is; a customer's outside id must never be.
        cure = "leave the customer's column out, or leave out `id` to have ids made of the content"
        raise refused(name, "event.id", list(event.id), "would keep the customer's id", cure)
    if isinstance(event.currency, Value):
        check_currency(event.currency.constant, name)
    if isinstance(event.time, Moment) and event.time.zone is not None:
        try:
            ZoneInfo(event.time.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            cure = "give an IANA name like Europe/London"
            key = "event.time.zone"
            raise refused(name, key, event.time.zone, "no such zone", cure) from error
