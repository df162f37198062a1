"""A mapping as SQL: one query whose rows are events to be, one whose rows are items to be.

Names of columns and constants are quoted here and nowhere else.
"""

# ruff: noqa: S608 - making SQL is this file's task

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from features import columns as c
from features.event import EARLIEST, MAX_TEXT, NEEDS_ITEM, EventType
from features.mapping import (
    EventMapping,
    FileMapping,
    ItemMapping,
    Moment,
    Reject,
    Scalar,
    TypeColumn,
    Value,
    When,
    refused,
)

ID_TEXT = "id_text"
"""The text of the id's columns, NULL when an id is to be made of the content."""
REASON = "reason"
"""Why a row is left out, NULL when it is not."""
CONTENT = "content"
"""64-bit hash of what an event says; summed up, it checks source against lake."""
CONTENT_HASH = f"hash({c.TYPE}, {c.ITEM}, {c.QUANTITY}, {c.VALUE}, epoch_us({c.OCCURRED_AT}))"

# What `str.isprintable` refuses: other characters, and separators but for the space.
_UNPRINTABLE = r"'[\p{C}\p{Zl}\p{Zp}]|[^\P{Z} ]'"
_NAME = re.compile(r"[^\W\d][\w ]*")
_HAS_OFFSET = r"'(Z|[+-]\d{2}(:?\d{2})?)$'"


def literal(value: Scalar) -> str:
    """A constant in SQL."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        return f"CAST('{value!r}' AS DOUBLE)" if isinstance(value, float) else str(value)
    return "'" + value.replace("'", "''") + "'"


def quoted(name: str) -> str:
    """A name in SQL."""
    return '"' + name.replace('"', '""') + '"'


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

    def events(self, now: str) -> str:
        """The query for events.

        Args:
            now: The latest moment that an event may have, ISO 8601.

        Returns:
            SQL whose rows have the columns of `columns.EVENT` but for `id` and `date`, with the
            customer's outside id, and `ID_TEXT`, `REASON`, `CONTENT`.

        Raises:
            InvalidArgument: A key of the mapping names a column that is not there, or says too
                much or too little.
        """
        event = self._mapping.event
        assert event is not None, "the caller asks for events of a mapping that has them"  # noqa: S101 - narrows
        fields = {
            c.TYPE: self._type(event),
            c.CUSTOMER: self._text(event.customer, "event.customer"),
            c.OCCURRED_AT: self._moment(event.time),
            c.ITEM: self._text(event.item, "event.item"),
            c.QUANTITY: self._number(event.quantity, "event.quantity", "1.0"),
            c.VALUE: self._number(event.value, "event.value"),
            c.CURRENCY: self._text(event.currency, "event.currency"),
            c.BLOCK: self._text(event.block, "event.block"),
            c.SEND: self._text(event.send, "event.send"),
            c.SLATE: "CAST(NULL AS VARCHAR)",
            c.SOURCE: literal(self._mapping.name),
            c.ITEMS: "CAST(NULL AS VARCHAR[])",
            c.SERVED_BY: "CAST(NULL AS VARCHAR)",
            c.MODEL: "CAST(NULL AS VARCHAR)",
            c.MACHINE: "FALSE",
            c.ALIAS: "CAST(NULL AS VARCHAR)",
            ID_TEXT: self._id(event.id),
            "value_given": self._given(event.value, "event.value"),
            "left_out": self._reasons(event.reject, "event.reject"),
        }
        inner = ", ".join(f"{sql} AS {name}" for name, sql in fields.items())
        kept = [name for name in c.EVENT if name not in (c.ID, c.DATE)]
        return (
            f"SELECT {', '.join(kept)}, {ID_TEXT}, {CONTENT_HASH} AS {CONTENT}, "
            f"coalesce(left_out, {self._limits(now)}) AS {REASON} FROM (SELECT {inner} FROM rows)"
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
            c.ID: self._text(items.id, "items.id"),
            **said,
            c.PRICE: self._number(items.price, "items.price"),
            REASON: self._reasons(items.reject, "items.reject"),
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
        categories = [self._text(one, "items.categories") for one in items.categories]
        listed = ", ".join(categories) or "CAST(NULL AS VARCHAR)"
        names = ", ".join(literal(name) for name in items.attributes)
        values = ", ".join(
            self._text(one, f"items.attributes.{name}") for name, one in items.attributes.items()
        )
        return {
            c.TITLE: self._text(items.title, "items.title"),
            c.URL: self._address(items.url, "items.url"),
            c.IMAGE_URL: self._address(items.image_url, "items.image_url"),
            c.CURRENCY: self._text(items.currency, "items.currency"),
            c.CATEGORIES: f"list_filter([{listed}], lambda one: one IS NOT NULL)",
            c.BRAND: self._text(items.brand, "items.brand"),
            "attribute_names": f"CAST([{names}] AS VARCHAR[])",
            "attribute_values": f"CAST([{values}] AS VARCHAR[])",
        }

    def _column(self, name: str, key: str) -> str:
        if name not in self._types:
            # The first line of a file without names is data, and may hold an outside id.
            names = [one for one in self._types if _NAME.fullmatch(one)]
            near = get_close_matches(name, names, n=1) or names[:12] or ["those of its first line"]
            cure = f"name one that it has, like {', '.join(near)}"
            raise refused(self._name, key, name, "the file has no such column", cure)
        return quoted(name)

    def _value(self, given: str | Value, key: str) -> tuple[str, str]:
        """SQL of a value, and its DuckDB type where that is known."""
        if isinstance(given, str):
            return self._column(given, key), self._types[given]
        ways = [given.column, given.product, given.constant, given.sql]
        self._exactly_one(ways, key, "column, product, constant, sql")
        if given.column is not None:
            return self._column(given.column, key), self._types[given.column]
        if given.product is not None:
            factors = [f"TRY_CAST({self._column(one, key)} AS DOUBLE)" for one in given.product]
            # A price of 0.55 times 3 is 1.65, not 1.6500000000000001.
            return f"round({' * '.join(factors) or 'NULL'}, 6)", "DOUBLE"
        if given.constant is not None:
            return literal(given.constant), ""
        return f"({given.sql})", ""

    def _exactly_one(self, ways: Sequence[object], key: str, words: str) -> None:
        if sum(way is not None for way in ways) != 1:
            said = [way for way in ways if way is not None]
            raise refused(self._name, key, said, "not exactly one source", f"give one of {words}")

    def _text(self, given: str | Value | None, key: str) -> str:
        """Trimmed text, NULL when there is nothing in it."""
        if given is None:
            return "CAST(NULL AS VARCHAR)"
        sql, kind = self._value(given, key)
        if kind in ("DOUBLE", "FLOAT"):
            # Whole numbers with gaps come as floats out of pandas: 13085.0 means 13085.
            whole = f"isfinite({sql}) AND {sql} = trunc({sql}) AND abs({sql}) < 1e15"
            number = f"CASE WHEN {whole} THEN CAST({sql} AS BIGINT) END"
            sql = f"coalesce(CAST({number} AS VARCHAR), CAST({sql} AS VARCHAR))"
        return f"nullif(trim(CAST({sql} AS VARCHAR)), '')"

    def _number(self, given: str | Value | None, key: str, otherwise: str | None = None) -> str:
        if given is None:
            return f"CAST({otherwise or 'NULL'} AS DOUBLE)"
        sql = f"TRY_CAST({self._value(given, key)[0]} AS DOUBLE)"
        return f"abs({sql})" if isinstance(given, Value) and given.absolute else sql

    def _given(self, given: str | Value | None, key: str) -> str:
        """Whether there is anything where the amount should be, readable or not."""
        return "FALSE" if given is None else f"({self._text(given, key)}) IS NOT NULL"

    def _moment(self, given: str | Moment) -> str:
        moment = Moment(column=given) if isinstance(given, str) else given
        self._exactly_one([moment.column, moment.sql], "event.time", "column, sql")
        if moment.column is None:
            given_zone = f"typeof({moment.sql}) = 'TIMESTAMP WITH TIME ZONE'"
            zoned = f"TRY_CAST(({moment.sql}) AS TIMESTAMPTZ)"
            plain = self._in_zone(f"TRY_CAST(({moment.sql}) AS TIMESTAMP)", moment)
            return f"CASE WHEN {given_zone} THEN {zoned} ELSE {plain} END"
        sql = self._column(moment.column, "event.time")
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
            base = self._text(event.type.column, "event.type.column")
            if event.type.values:
                known = " ".join(
                    f"WHEN {literal(said)} THEN {literal(str(meant))}"
                    for said, meant in event.type.values.items()
                )
                base = f"CASE {base} {known} END"
        else:
            base = literal(str(event.type))
        cases = " ".join(
            f"WHEN {self._when(rule.when, f'event.rules[{index}].when')} "
            f"THEN {literal(str(rule.type))}"
            for index, rule in enumerate(event.rules)
        )
        return f"CASE {cases} ELSE {base} END" if cases else base

    def _id(self, names: tuple[str, ...]) -> str:
        if not names:
            return "CAST(NULL AS VARCHAR)"
        parts = [f"coalesce({self._text(name, 'event.id')}, '')" for name in names]
        return f"concat_ws(':', {literal(self._mapping.name)}, {', '.join(parts)})"

    def _reasons(self, rejects: tuple[Reject, ...], key: str) -> str:
        cases = " ".join(
            f"WHEN {self._when(one.when, f'{key}[{index}].when')} THEN {literal(one.reason)}"
            for index, one in enumerate(rejects)
        )
        return f"CASE {cases} END" if cases else "CAST(NULL AS VARCHAR)"

    def _when(self, when: When, key: str) -> str:
        self._exactly_one([when.column, when.sql], key, "column, sql")
        if when.column is None:
            return f"coalesce(({when.sql}), FALSE)"
        text = self._text(when.column, key)
        number = f"TRY_CAST({self._column(when.column, key)} AS DOUBLE)"
        tests: dict[str, str | None] = {
            "empty": None if when.empty is None else f"({text} IS NULL) = {literal(when.empty)}",
            "equals": None if when.equals is None else f"{text} = {_word(when.equals)}",
            "one_of": None
            if when.one_of is None
            else f"{text} IN ({', '.join(_word(one) for one in when.one_of) or 'NULL'})",
            "starts_with": when.starts_with and f"starts_with({text}, {literal(when.starts_with)})",
            "matches": when.matches and f"regexp_matches({text}, {literal(when.matches)})",
            "below": None if when.below is None else f"{number} < {literal(when.below)}",
            "at_most": None if when.at_most is None else f"{number} <= {literal(when.at_most)}",
            "above": None if when.above is None else f"{number} > {literal(when.above)}",
            "at_least": None if when.at_least is None else f"{number} >= {literal(when.at_least)}",
        }
        self._exactly_one(list(tests.values()), key, ", ".join(tests))
        found = next(test for test in tests.values() if test is not None)
        return f"coalesce({found}, FALSE)"

    def _address(self, template: str | None, key: str) -> str:
        if template is None:
            return "''"
        parts = []
        for index, piece in enumerate(template.replace("}", "{").split("{")):
            if index % 2 == 0:
                parts.append(literal(piece))
            else:
                parts.append(f"url_encode({self._text(piece, key)})")
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
            "value not an amount": f"(value_given AND {c.VALUE} IS NULL) OR {c.VALUE} < 0 "
            f"OR NOT isfinite({c.VALUE})",
            "not a currency code": f"NOT regexp_full_match({c.CURRENCY}, '[A-Z]{{3}}')",
        }
        whens = " ".join(f"WHEN {test} THEN {literal(why)}" for why, test in cases.items())
        return f"CASE {whens} END"


def _word(value: Scalar) -> str:
    """A constant to compare a text with."""
    return literal(str(value).lower() if isinstance(value, bool) else str(value))
