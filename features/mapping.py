"""What a file's columns mean: the mapping of an import, read from a TOML file.

The words are those of `Event` and `Item`; `docs/importing.md` tells them one by one, and
`homing/mappings` holds complete ones. A value is the name of a column, or a table:
`{constant = "GBP"}`, `{product = ["Quantity", "UnitPrice"]}`, `{column = "Quantity", absolute =
true}`, `{column = "Weight", times = 0.001}`, or `{sql = "…"}`, one DuckDB expression over the
columns, which can reach no other file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from features.conditions import Reject, Rule, When, check_contract
from features.event import EventType, is_currency
from features.money import Exchange, Rates, read_rates
from features.toml_tables import Scalar, Table, parse_table, read_text, refused

MAX_NAME = 60
"""Characters of a source's name, which its ids begin with."""


class Value(Table, frozen=True):
    """Where a value comes from: exactly one of the first four.

    Attributes:
        column: Its column.
        product: Columns whose product it is.
        constant: The same for every row.
        sql: A DuckDB expression.
        times: A number is multiplied by it, and rounded to six places.
        absolute: Without its sign; returns are often written as negative lines.
    """

    column: str | None = None
    product: tuple[str, ...] | None = None
    constant: Scalar | None = None
    sql: str | None = None
    times: float = 1.0
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


class TypeColumn(Table, frozen=True):
    """A column that holds the type.

    Attributes:
        column: Its name.
        values: What is written there → our type; without it, our own words are expected.
    """

    column: str
    values: dict[str, EventType] = msgspec.field(default_factory=dict)


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
        minor_units: Whether the value is in the smallest unit of its currency, like pence.
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
    minor_units: bool = False
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
        minor_units: Whether the price is in the smallest unit of its currency.
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
    minor_units: bool = False
    categories: tuple[str | Value, ...] = ()
    brand: str | Value | None = None
    attributes: dict[str, str | Value] = msgspec.field(default_factory=dict)
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
    tables: dict[str, str] = msgspec.field(default_factory=dict)
    query: str | None = None


class Join(Table, frozen=True):
    """The section `[catalogue]`: what is looked up there.

    Attributes:
        by: What the source calls items by: the name of an attribute of theirs, like `barcode`, or
            `id`. What one item alone has becomes that item's id; all else stays as it is.
        fill_value: Whether a cart, a purchase or a return without a value has the item's price
            times its quantity.
    """

    by: str = "id"
    fill_value: bool = False


class FileMapping(Table, frozen=True):
    """A whole mapping.

    Attributes:
        name: The source's name; goes into `Event.source` and begins every id.
        source: What is read, and how.
        event: How a row becomes an event.
        items: How rows become items.
        catalogue: What is looked up in the catalogue.
        currency: What every value is turned into.
        contract: What an event's row must be, and must not be.
    """

    name: str
    source: Source = Source()
    event: EventMapping | None = None
    items: ItemMapping | None = None
    catalogue: Join | None = None
    currency: Exchange | None = None
    contract: tuple[Rule, ...] = ()

    def rates(self) -> Rates | None:
        """The rates that values are turned by, if they are.

        Raises:
            InvalidArgument: They can't be read; names file, key, value and cure.
        """
        return None if self.currency is None else read_rates(self.currency, self.name)

    def beside(self, path: Path) -> FileMapping:
        """The same, with files where they are seen from its own path."""
        exchange = None if self.currency is None else self.currency.beside(path)
        return msgspec.structs.replace(self, currency=exchange)


def load_mapping(path: Path) -> FileMapping:
    """The mapping that a TOML file holds.

    Raises:
        InvalidArgument: It can't be read, or is not a mapping; names file, key, value and cure.
    """
    text = read_text(path, "homing/mappings/online-retail-2.toml")
    mapping = parse_mapping(text, str(path)).beside(path)
    mapping.rates()
    return mapping


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
    event = mapping.event
    rejects = None if event is None else event.reject
    check_contract(mapping.contract, rejects, name, joined=mapping.catalogue is not None)
    if event is not None:
        _check_event(event, name)
        _check_money(mapping, event, name)
    elif mapping.catalogue is not None or mapping.currency is not None:
        cure = "leave [catalogue] and [currency] out, or add a section [event]"
        raise refused(name, "", mapping.name, "they are about events", cure)


def _check_money(mapping: FileMapping, event: EventMapping, name: str) -> None:
    filled = mapping.catalogue is not None and mapping.catalogue.fill_value
    if event.currency is None and event.value is not None:
        if event.minor_units:
            cure = "give event.currency: JPY has none of them, KWD a thousand"
            raise refused(name, "event.minor_units", "true", "units of which currency?", cure)
        if mapping.currency is not None or filled:
            cure = "give event.currency, a column or a constant"
            raise refused(name, "event.currency", None, "values of which currency?", cure)


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
