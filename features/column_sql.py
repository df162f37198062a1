"""Columns, values and conditions of a mapping as SQL.

Names of columns and constants are quoted here and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches

from features.conditions import Must, When, word
from features.mapping import Value
from features.money import PLACES
from features.toml_tables import Scalar, refused

_NAME = re.compile(r"[^\W\d][\w ]*")


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


class Columns:
    """The columns that a mapping may name.

    Args:
        name: Of the mapping's file, for messages.
        types: Column of `rows` → its DuckDB type.
    """

    def __init__(self, name: str, types: Mapping[str, str]) -> None:
        self._name = name
        self._types = types

    def column(self, name: str, key: str) -> str:
        """The name of a column that is there.

        Args:
            name: As the mapping has it.
            key: Where that stands in the mapping; the same for all that follow.

        Raises:
            InvalidArgument: There is no such column; the same holds for all that follow.
        """
        if name not in self._types:
            # The first line of a file without names is data, and may hold an outside id.
            names = [one for one in self._types if _NAME.fullmatch(one)]
            near = get_close_matches(name, names, n=1) or names[:12] or ["those of its first line"]
            cure = f"name one that it has, like {', '.join(near)}"
            raise refused(self._name, key, name, "the file has no such column", cure)
        return quoted(name)

    def value(self, given: str | Value, key: str) -> tuple[str, str]:
        """SQL of a value, and its DuckDB type where that is known."""
        if isinstance(given, str):
            return self.column(given, key), self._types[given]
        ways = [given.column, given.product, given.constant, given.sql]
        self.exactly_one(ways, key, "column, product, constant, sql")
        if given.column is not None:
            return self.column(given.column, key), self._types[given.column]
        if given.product is not None:
            factors = [f"TRY_CAST({self.column(one, key)} AS DOUBLE)" for one in given.product]
            return f"round({' * '.join(factors) or 'NULL'}, {PLACES})", "DOUBLE"
        if given.constant is not None:
            return literal(given.constant), ""
        return f"({given.sql})", ""

    def exactly_one(self, ways: Sequence[object], key: str, words: str) -> None:
        """See that one of several ways to say something is taken."""
        if sum(way is not None for way in ways) != 1:
            said = [way for way in ways if way is not None]
            raise refused(self._name, key, said, "not exactly one source", f"give one of {words}")

    def text(self, given: str | Value | None, key: str) -> str:
        """Trimmed text, NULL when there is nothing in it."""
        if given is None:
            return "CAST(NULL AS VARCHAR)"
        sql, kind = self.value(given, key)
        if kind in ("DOUBLE", "FLOAT"):
            # Whole numbers with gaps come as floats out of pandas: 13085.0 means 13085.
            whole = f"isfinite({sql}) AND {sql} = trunc({sql}) AND abs({sql}) < 1e15"
            number = f"CASE WHEN {whole} THEN CAST({sql} AS BIGINT) END"
            sql = f"coalesce(CAST({number} AS VARCHAR), CAST({sql} AS VARCHAR))"
        return f"nullif(trim(CAST({sql} AS VARCHAR)), '')"

    def when(self, when: When, key: str) -> str:
        """SQL that is true of a row for which a condition holds, and false of all others."""
        self.exactly_one([when.column, when.sql], key, "column, sql")
        if when.column is None:
            return f"coalesce(({when.sql}), FALSE)"
        text = self.text(when.column, key)
        number = f"TRY_CAST({self.column(when.column, key)} AS DOUBLE)"
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
        self.exactly_one(list(tests.values()), key, ", ".join(tests))
        found = next(test for test in tests.values() if test is not None)
        return f"coalesce({found}, FALSE)"

    def must(self, must: Must, key: str, now: str) -> str:
        """SQL that is true of a row whose column is what it must be.

        Args:
            must: What it must be.
            key: Where that stands in the mapping.
            now: The latest moment that is not in the future, ISO 8601.
        """
        assert must.column is not None, "the mapping's check let it pass"  # noqa: S101 - narrows
        text = self.text(must.column, key)
        number = _finite(f"TRY_CAST({text} AS DOUBLE)")
        tests = [
            f"{number} {sign} {literal(float(limit))}"
            for sign, limit in (
                (">=", must.at_least),
                (">", must.above),
                ("<=", must.at_most),
                ("<", must.below),
            )
            if limit is not None
        ]
        if must.one_of is not None:
            tests.append(f"{text} IN ({', '.join(map(_word, must.one_of)) or 'NULL'})")
        if must.matches is not None:
            tests.append(f"regexp_matches({text}, {literal(must.matches)})")
        if must.past:
            tests.append(f"TRY_CAST({text} AS TIMESTAMPTZ) <= TIMESTAMPTZ {literal(now)}")
        tests += self._compared(must, key)
        said = f"coalesce({' AND '.join(tests)}, FALSE)" if tests else "TRUE"
        return f"({text} IS NOT NULL AND {said})" if must.present else f"({text} IS NULL OR {said})"

    def unique(self, must: Must, key: str, among: str) -> str:
        """SQL that is true of a row that no other is like in the columns that must be unique.

        Args:
            must: What it must be.
            key: Where that stands in the mapping.
            among: SQL that is true of the rows that count.
        """
        names = [self.text(one, key) for one in must.unique]
        empty = " OR ".join(f"{one} IS NULL" for one in names)
        count = f"count(*) FILTER ({among}) OVER (PARTITION BY {', '.join(names)})"
        return f"({empty} OR {count} = 1)"

    def _compared(self, must: Must, key: str) -> Iterator[str]:
        kind = {"number": "DOUBLE", "time": "TIMESTAMPTZ", "text": "VARCHAR"}[must.compared_as]
        for sign, other in ((">=", must.not_below), ("<=", must.not_above), ("=", must.same_as)):
            if other is not None:
                sides = [self.text(one, key) for one in (must.column, other)]
                cast = [f"TRY_CAST({one} AS {kind})" for one in sides]
                cast = [_finite(one) for one in cast] if kind == "DOUBLE" else cast
                yield f"({sides[1]} IS NULL OR {cast[0]} {sign} {cast[1]})"


def _word(value: Scalar) -> str:
    """A constant to compare a text with."""
    return literal(word(value))


def _finite(number: str) -> str:
    """A number without what DuckDB holds to be greater than all others."""
    return f"CASE WHEN isfinite({number}) THEN {number} END"
