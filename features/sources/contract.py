"""Contracts of webhooks: what a value must be, tested event by event as `Columns.must` does it.

A pattern is one of Python's `re` here, in ASCII, where that of a file is RE2. Both know the same
plain ones, but for `$`, which here fits before a last line break too.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Sequence
from typing import Final

from features.conditions import Tests, check_names, word
from features.toml_tables import Table, refused

_LIMITS: Final = (
    ("at_least", operator.ge),
    ("above", operator.gt),
    ("at_most", operator.le),
    ("below", operator.lt),
)
_SPACES: Final = " \u00a0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u202f\u205f\u3000"
"""What DuckDB's `trim` takes away: Unicode's separators of words."""


class PathTests(Tests, frozen=True, kw_only=True):
    """Tests of what is at a path.

    Attributes:
        path: In the JSON.
    """

    path: str


class PathRule(Table, frozen=True):
    """One rule of a contract.

    Attributes:
        rule: Its name.
        must: What must be.
    """

    rule: str
    must: PathTests


def check_rules(rules: Sequence[PathRule], name: str) -> None:
    """See that a contract makes sense; its paths are looked at elsewhere.

    Args:
        rules: It.
        name: Of its file, for messages.

    Raises:
        InvalidArgument: It does not; names file, key, value and cure.
    """
    check_names([one.rule for one in rules], [], name)
    for one in rules:
        if one.must == PathTests(path=one.must.path):
            cure = "say what it must be, like at_least"
            raise refused(name, "contract.must", one.must.path, "no test", cure)
        try:
            re.compile(one.must.matches or "", re.ASCII)
        except (re.error, ValueError, OverflowError, RecursionError) as error:
            cure = "write a regular expression"
            raise refused(
                name, "contract.must.matches", one.must.matches, str(error), cure
            ) from error


def holds(must: Tests, found: object) -> bool:
    """Whether a value of a JSON passes all tests."""
    text = _text(found)
    if text is None:
        return not must.present
    return (
        (must.one_of is None or text in map(word, must.one_of))
        and (must.matches is None or re.search(must.matches, text, re.ASCII) is not None)
        and _within(must, text)
    )


def _within(must: Tests, text: str) -> bool:
    limits = [(reaches, getattr(must, name)) for name, reaches in _LIMITS]
    limits = [(reaches, limit) for reaches, limit in limits if limit is not None]
    try:
        # Python knows digits of other scripts, and DuckDB does not.
        number = float(text) if limits and text.isascii() else math.nan
    except ValueError:
        return False
    return not limits or (
        math.isfinite(number) and all(reaches(number, limit) for reaches, limit in limits)
    )


def _text(found: object) -> str | None:
    return (word(found).strip(_SPACES) or None) if isinstance(found, str | int | float) else None
