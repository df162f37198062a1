"""A mapping as SQL: one query whose rows are events to be, one whose rows are items to be."""

# ruff: noqa: S608 - making SQL is this file's task

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from features import columns as c
from features.column_sql import Columns, literal
from features.conditions import Reject
from features.enriching_sql import (
    KNOWN,
    PAID,
    PAID_IN,
    RATED,
    VALUE_GIVEN,
    exchanged,
    in_units,
    joined,
)
from features.event import EARLIEST, MAX_TEXT, NEEDS_ITEM, EventType
from features.mapping import EventMapping, FileMapping, ItemMapping, Moment, TypeColumn, Value
from features.money import NO_RATE, PLACES
from features.toml_tables import refused

ID_TEXT = "id_text"
"""The text of the id's columns, NULL when an id is to be made of the content."""
REASON = "reason"
"""Why a row is left out, NULL when it is not."""
CONTENT = "content"
"""64-bit hash of what an event says; summed up, it checks source against lake."""
CONTENT_HASH = f"hash({c.TYPE}, {c.ITEM}, {c.QUANTITY}, {c.VALUE}, epoch_us({c.OCCURRED_AT}))"

UNSAID: Mapping[str, bool | None] = {
    c.SLATE: None,
    c.ITEMS: None,
    c.SERVED_BY: None,
    c.MODEL: None,
    c.MACHINE: False,
    c.ALIAS: None,
}
"""Column → what all events of a file have there: no mapping has it from a row."""

# What `str.isprintable` refuses: other characters, and separators but for the space.
_UNPRINTABLE = r"'[\p{C}\p{Zl}\p{Zp}]|[^\P{Z} ]'"
_NUMBERS = ("DOUBLE", "FLOAT", "INTEGER", "BIGINT")
_HAS_OFFSET = r"'(Z|[+-]\d{2}(:?\d{2})?)$'"


class Compiler:
    """Turns a mapping into SQL over the relation `rows`.

    Args:
        mapping: The mapping.
        name: Of its file, for messages.
        types: Column of `rows` → its DuckDB type.
    """

    def __init__(self, mapping: FileMapping, name: str, types: Mapping[str, str]) -> None:
        self._mapping = mapping
        self._name = name
        self._types = types
        self._columns = Columns(name, types)

    def events(self, now: str) -> str:
        """The query for events.

        Args:
            now: The latest moment that an event may have, ISO 8601.

        Returns:
            SQL whose rows have the columns of `columns.EVENT` but for `id` and `date`, with the
            customer's outside id, and `ID_TEXT`, `REASON`, `CONTENT`; where values are turned into
            one currency, `PAID` and `PAID_IN` besides. Looks up what `enriching_sql` names.

        Raises:
            InvalidArgument: A key of the mapping names a column that is not there, or says too
                much or too little.
        """
        event = self._mapping.event
        assert event is not None, "the caller asks for events of a mapping that has them"  # noqa: S101 - narrows
        rejected = self._rejected(event.reject, "event.reject")
        fields = {
            c.TYPE: self._type(event),
            c.CUSTOMER: self._columns.text(event.customer, "event.customer"),
            c.OCCURRED_AT: self._moment(event.time),
            c.ITEM: self._columns.text(event.item, "event.item"),
            c.QUANTITY: self._number(event.quantity, "event.quantity", "1.0"),
            c.VALUE: self._amount(event.value, "event.value", event),
            c.CURRENCY: self._columns.text(event.currency, "event.currency"),
            c.BLOCK: self._columns.text(event.block, "event.block"),
            c.SEND: self._columns.text(event.send, "event.send"),
            c.SLATE: "CAST(NULL AS VARCHAR)",
            c.SOURCE: literal(self._mapping.name),
            c.ITEMS: "CAST(NULL AS VARCHAR[])",
            c.SERVED_BY: "CAST(NULL AS VARCHAR)",
            c.MODEL: "CAST(NULL AS VARCHAR)",
            c.MACHINE: "FALSE",
            c.ALIAS: "CAST(NULL AS VARCHAR)",
            ID_TEXT: self._id(event.id),
            VALUE_GIVEN: self._given(event.value, "event.value"),
            "left_out": _first([*rejected, *self._broken(rejected, now)]),
        }
        inner = ", ".join(f"{sql} AS {name}" for name, sql in fields.items())
        kept = [name for name in c.EVENT if name not in (c.ID, c.DATE)]
        made = f"SELECT {inner} FROM rows"
        if self._mapping.catalogue is not None:
            made = joined(made, self._mapping.catalogue)
        if self._mapping.currency is not None:
            made = exchanged(made, self._mapping.currency.to)
            kept += [PAID, PAID_IN]
        return (
            f"SELECT {', '.join(kept)}, {ID_TEXT}, {CONTENT_HASH} AS {CONTENT}, "
            f"coalesce(left_out, {self._unknown()}, {self._limits(now)}) AS {REASON} FROM ({made})"
        )

    def items(self) -> str:
        """The query for items: columns of `Item` that a mapping fills, and `REASON`.

        Raises:
            InvalidArgument: As `events`.
        """
        items = self._mapping.items
        assert items is not None, "the caller asks for items of a mapping that has them"  # noqa: S101 - narrows
        said = self._said(items)
        fields = {
            c.ID: self._columns.text(items.id, "items.id"),
            **said,
            c.PRICE: self._amount(items.price, "items.price", items),
            REASON: _first(self._rejected(items.reject, "items.reject")),
        }
        inner = ", ".join(f"{sql} AS {name}" for name, sql in fields.items())
        words = ", ".join(said)
        keys = f"{c.ID}, {REASON}"
        return (
            f"WITH mapped AS (SELECT {inner} FROM rows), "
            f"said AS (SELECT {keys}, {words}, count(*) AS n FROM mapped GROUP BY ALL), "
            f"best AS (SELECT {keys}, {words} FROM said QUALIFY row_number() OVER "
            f"(PARTITION BY {keys} ORDER BY n DESC, {words}) = 1), "
            f"priced AS (SELECT {keys}, round(median({c.PRICE}) FILTER ({c.PRICE} > 0), 2) "
            f"AS {c.PRICE} FROM mapped GROUP BY ALL) "
            f"SELECT best.*, priced.{c.PRICE} FROM best JOIN priced ON "
            f"best.{c.ID} IS NOT DISTINCT FROM priced.{c.ID} "
            f"AND best.{REASON} IS NOT DISTINCT FROM priced.{REASON} ORDER BY best.{c.ID}"
        )

    def _said(self, items: ItemMapping) -> dict[str, str]:
        categories = [self._columns.text(one, "items.categories") for one in items.categories]
        listed = ", ".join(categories) or "CAST(NULL AS VARCHAR)"
        names = ", ".join(literal(name) for name in items.attributes)
        values = ", ".join(
            self._columns.text(one, f"items.attributes.{name}")
            for name, one in items.attributes.items()
        )
        return {
            c.TITLE: self._columns.text(items.title, "items.title"),
            c.URL: self._address(items.url, "items.url"),
            c.IMAGE_URL: self._address(items.image_url, "items.image_url"),
            c.CURRENCY: self._columns.text(items.currency, "items.currency"),
            c.CATEGORIES: f"list_filter([{listed}], lambda one: one IS NOT NULL)",
            c.BRAND: self._columns.text(items.brand, "items.brand"),
            "attribute_names": f"CAST([{names}] AS VARCHAR[])",
            "attribute_values": f"CAST([{values}] AS VARCHAR[])",
        }

    def _number(self, given: str | Value | None, key: str, otherwise: str | None = None) -> str:
        if given is None:
            return f"CAST({otherwise or 'NULL'} AS DOUBLE)"
        sql = f"TRY_CAST({self._columns.value(given, key)[0]} AS DOUBLE)"
        if isinstance(given, Value):
            sql = sql if given.times == 1 else f"round({sql} * {literal(given.times)}, {PLACES})"
            sql = f"abs({sql})" if given.absolute else sql
        return sql

    def _amount(
        self, given: str | Value | None, key: str, section: EventMapping | ItemMapping
    ) -> str:
        sql = self._number(given, key)
        if given is None or not section.minor_units:
            return sql
        return in_units(sql, self._columns.text(section.currency, "currency"))

    def _given(self, given: str | Value | None, key: str) -> str:
        """Whether there is anything where the amount should be, readable or not."""
        if given is None:
            return "FALSE"
        sql, kind = self._columns.value(given, key)
        said = sql if kind in _NUMBERS else self._columns.text(given, key)
        return f"({said}) IS NOT NULL"

    def _moment(self, given: str | Moment) -> str:
        moment = Moment(column=given) if isinstance(given, str) else given
        self._columns.exactly_one([moment.column, moment.sql], "event.time", "column, sql")
        if moment.column is None:
            given_zone = f"typeof({moment.sql}) = 'TIMESTAMP WITH TIME ZONE'"
            zoned = f"TRY_CAST(({moment.sql}) AS TIMESTAMPTZ)"
            plain = self._in_zone(f"TRY_CAST(({moment.sql}) AS TIMESTAMP)", moment)
            return f"CASE WHEN {given_zone} THEN {zoned} ELSE {plain} END"
        sql = self._columns.column(moment.column, "event.time")
        return self._zoned(sql, self._types[moment.column], moment)

    def _zoned(self, sql: str, kind: str, moment: Moment) -> str:
        if kind == "TIMESTAMP WITH TIME ZONE":
            return f"CAST({sql} AS TIMESTAMPTZ)"
        if kind == "VARCHAR":
            return self._written(sql, moment)
        if kind.startswith(("TIMESTAMP", "DATE")):
            return self._in_zone(f"TRY_CAST({sql} AS TIMESTAMP)", moment)
        factor = {"s": 1_000_000, "ms": 1_000, "us": 1}[moment.unit]
        micros = f"TRY_CAST(TRY_CAST({sql} AS DOUBLE) * {factor} AS BIGINT)"
        return f"make_timestamptz({micros})"

    def _written(self, sql: str, moment: Moment) -> str:
        if moment.format is not None:
            read = f"try_strptime(trim({sql}), {literal(moment.format)})"
            if "%z" in moment.format:
                return f"CAST({read} AS TIMESTAMPTZ)"
            return self._in_zone(read, moment)
        with_offset = f"TRY_CAST({sql} AS TIMESTAMPTZ)"
        plain = f"TRY_CAST({sql} AS TIMESTAMP)"
        zoned = "NULL" if moment.zone is None else f"timezone({literal(moment.zone)}, {plain})"
        return f"CASE WHEN regexp_matches({sql}, {_HAS_OFFSET}) THEN {with_offset} ELSE {zoned} END"

    def _in_zone(self, sql: str, moment: Moment) -> str:
        if moment.zone is None:
            given = moment.column or moment.sql
            cure = 'say in which zone they are, like zone = "Europe/London"'
            raise refused(self._name, "event.time", given, "times without a zone", cure)
        return f"timezone({literal(moment.zone)}, {sql})"

    def _type(self, event: EventMapping) -> str:
        if isinstance(event.type, TypeColumn):
            base = self._columns.text(event.type.column, "event.type.column")
            if event.type.values:
                known = " ".join(
                    f"WHEN {literal(said)} THEN {literal(str(meant))}"
                    for said, meant in event.type.values.items()
                )
                base = f"CASE {base} {known} END"
        else:
            base = literal(str(event.type))
        cases = " ".join(
            f"WHEN {self._columns.when(rule.when, f'event.rules[{index}].when')} "
            f"THEN {literal(str(rule.type))}"
            for index, rule in enumerate(event.rules)
        )
        return f"CASE {cases} ELSE {base} END" if cases else base

    def _id(self, names: tuple[str, ...]) -> str:
        if not names:
            return "CAST(NULL AS VARCHAR)"
        parts = [f"coalesce({self._columns.text(name, 'event.id')}, '')" for name in names]
        return f"concat_ws(':', {literal(self._mapping.name)}, {', '.join(parts)})"

    def _rejected(self, rejects: tuple[Reject, ...], key: str) -> list[tuple[str, str]]:
        """Reason, and SQL that is true of a row that is left out for it."""
        return [
            (one.reason, self._columns.when(one.when, f"{key}[{index}].when"))
            for index, one in enumerate(rejects)
        ]

    def _broken(self, rejected: Sequence[tuple[str, str]], now: str) -> Iterator[tuple[str, str]]:
        """Rule of the contract, and SQL that is true of a row that breaks it."""
        kept = " AND ".join(f"NOT {test}" for _, test in rejected) or "TRUE"
        for index, one in enumerate(self._mapping.contract):
            key = f"contract[{index}]"
            if one.broken is not None:
                yield one.rule, self._columns.when(one.broken, f"{key}.broken")
            elif one.must is not None and one.must.unique:
                yield one.rule, f"NOT {self._columns.unique(one.must, f'{key}.must', kept)}"
            elif one.must is not None and not one.must.known:
                yield one.rule, f"NOT {self._columns.must(one.must, f'{key}.must', now)}"

    def _unknown(self) -> str:
        """The rule that a row breaks whose item the catalogue does not know."""
        rules = (one.rule for one in self._mapping.contract if one.must and one.must.known)
        rule = next(rules, None)
        return "NULL" if rule is None else f"CASE WHEN NOT {KNOWN} THEN {literal(rule)} END"

    def _address(self, template: str | None, key: str) -> str:
        if template is None:
            return "''"
        parts = []
        for index, piece in enumerate(template.replace("}", "{").split("{")):
            if index % 2 == 0:
                parts.append(literal(piece))
            else:
                parts.append(f"url_encode({self._columns.text(piece, key)})")
        return f"coalesce({' || '.join(parts)}, '')"

    def _limits(self, now: str) -> str:
        """The limits of `features.event.check_event`, for whole columns."""
        types = ", ".join(literal(str(one)) for one in EventType)
        needing = ", ".join(sorted(literal(str(one)) for one in NEEDS_ITEM))
        texts = (ID_TEXT, c.ITEM, c.BLOCK, c.SEND)
        unusable = " OR ".join(
            f"length({one}) > {MAX_TEXT} OR regexp_matches({one}, {_UNPRINTABLE})" for one in texts
        )
        positive = f"{c.QUANTITY} > 0 AND isfinite({c.QUANTITY})"
        cases = {
            "no customer": f"{c.CUSTOMER} IS NULL",
            "unknown type": f"{c.TYPE} IS NULL OR {c.TYPE} NOT IN ({types})",
            "no time, or not readable": f"{c.OCCURRED_AT} IS NULL",
            "time before 1990": f"{c.OCCURRED_AT} < TIMESTAMPTZ {literal(EARLIEST.isoformat())}",
            "time in the future": f"{c.OCCURRED_AT} > TIMESTAMPTZ {literal(now)}",
            "an identify, which no file can say": f"{c.TYPE} = {literal(str(EventType.IDENTIFY))}",
            "no item": f"{c.ITEM} IS NULL AND {c.TYPE} IN ({needing})",
            "id or name too long or not printable": unusable,
            "quantity not positive": f"NOT coalesce({positive}, FALSE)",
            "value not an amount": f"({VALUE_GIVEN} AND {c.VALUE} IS NULL) OR {c.VALUE} < 0 "
            f"OR NOT isfinite({c.VALUE})",
            "not a currency code": f"NOT regexp_full_match({c.CURRENCY}, '[A-Z]{{3}}')",
        }
        if self._mapping.currency is not None:
            cases[NO_RATE] = f"NOT {RATED}"
        return _first([*cases.items()])


def _first(cases: Sequence[tuple[str, str]]) -> str:
    """The first reason to leave a row out, of pairs of a reason and SQL; NULL when none is true."""
    whens = " ".join(f"WHEN {test} THEN {literal(why)}" for why, test in cases)
    return f"CASE {whens} END" if whens else "CAST(NULL AS VARCHAR)"
