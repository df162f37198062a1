"""What rows are, and what they must be: conditions of a mapping; `docs/importing.md` has the words.

A contract is a list of rules. Each says what a row must be, or what it must not be, and has a name
of its own, under which the rows that break it are counted or become dead letters. Why they are not
pandera's: docs/decisions/0021-contracts-in-our-own-words.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from features.toml_tables import Scalar, Table, refused

_EXACT: Final = 1e15
"""Below it a whole number is written without a dot, wherever it is compared as text."""


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


class Tests(Table, frozen=True):
    """Tests of one value, all of which it must pass; where there is none, it passes but `present`.

    Attributes:
        present: There is something in it.
        at_least: A number, not less than.
        above: A number, more than.
        at_most: A number, not more than.
        below: A number, less than.
        one_of: One of these, as text.
        matches: A regular expression is found in it.
    """

    present: bool = False
    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None
    one_of: tuple[Scalar, ...] | None = None
    matches: str | None = None


class Must(Tests, frozen=True):
    """What a row must be.

    Attributes:
        column: What is tested.
        not_below: Another column, whose value it must reach.
        not_above: Another column, whose value it must not exceed.
        same_as: Another column that says the same.
        compared_as: How it is compared with the other column.
        past: A time, not in the future; our clock's day of grace holds.
        unique: Columns that together no other row has; alone.
        known: The event's item is in the catalogue; alone, and with `[catalogue]`.
    """

    column: str | None = None
    not_below: str | None = None
    not_above: str | None = None
    same_as: str | None = None
    compared_as: Literal["number", "time", "text"] = "number"
    past: bool = False
    unique: tuple[str, ...] = ()
    known: bool = False

    def tests(self) -> int:
        """How many tests of its column it has."""
        said = (self.at_least, self.above, self.at_most, self.below, self.one_of, self.matches)
        others = (self.not_below, self.not_above, self.same_as)
        return sum(one is not None for one in (*said, *others)) + self.present + self.past


class Rule(Table, frozen=True):
    """One rule of a contract: exactly one of the last two.

    Attributes:
        rule: Its name.
        broken: What must not be.
        must: What must be.
    """

    rule: str
    broken: When | None = None
    must: Must | None = None


def word(value: Scalar) -> str:
    """A number or a truth as the text that it is compared by: 7.0 is 7, as in a column."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return str(int(value))
    return str(value)


def check_contract(
    contract: Sequence[Rule], rejects: Sequence[Reject] | None, name: str, *, joined: bool
) -> None:
    """See that a contract makes sense in itself.

    Args:
        contract: It.
        rejects: What the mapping leaves out; None when it has no events.
        name: Of its file, for messages.
        joined: Whether the mapping has a catalogue.

    Raises:
        InvalidArgument: It does not; names file, key, value and cure.
    """
    rules = [one.rule for one in contract]
    if rules and rejects is None:
        raise refused(name, "contract", rules, "it is about events", "add a section [event]")
    check_names(rules, [one.reason for one in rejects or ()], name)
    for index, one in enumerate(contract):
        if (one.broken is None) == (one.must is None):
            cure = "give either `broken` or `must`"
            raise refused(name, f"contract[{index}]", one.rule, "not one condition", cure)
        if one.must is not None:
            _check_must(one.must, f"contract[{index}].must", name, joined=joined)


def check_names(rules: Sequence[str], taken: Sequence[str], name: str) -> None:
    """See that every rule has a name of its own.

    Raises:
        InvalidArgument: One comes twice; names file, key, value and cure.
    """
    if len({*rules, *taken}) < len(rules) + len(set(taken)):
        cure = "give every rule a name of its own"
        raise refused(name, "contract.rule", rules, "a name comes twice", cure)


def _check_must(must: Must, key: str, name: str, *, joined: bool) -> None:
    tests = must.tests()
    if (tests > 0) != (must.column is not None):
        cure = "give a column and what it must be, like at_least"
        raise refused(name, key, must.column, "no test of a column", cure)
    if (tests > 0) + bool(must.unique) + must.known != 1:
        cure = "write one rule for a column, one for `unique` and one for `known`"
        raise refused(name, key, must.column, "not one thing", cure)
    if must.known and not joined:
        cure = 'say how items are found there, like [catalogue] by = "sku"'
        raise refused(name, f"{key}.known", must.known, "no [catalogue]", cure)
