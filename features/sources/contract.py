"""Contracts of webhooks: what a value must be, tested event by event as `Columns.must` does it.

A pattern is one of Python's `re` here, where that of a file is RE2; both know the same plain ones.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Sequence
from typing import Final

from features.conditions import Tests, check_names
from features.toml_tables import Table, refused

_LIMITS: Final = (
    ("at_least", operator.ge),
    ("above", operator.gt),
    ("at_most", operator.le),
    ("below", operator.lt),
)


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
            re.compile(one.must.matches or "")
        except re.error as error:
            cure = "write a regular expression"
            raise refused(
                name, "contract.must.matches", one.must.matches, str(error), cure
            ) from error


def holds(must: Tests, found: object) -> bool:
    """Whether a value of a JSON passes all tests."""
    text = _text(found)
    if text is None:
        return not must.present
    words = None if must.one_of is None else {_text(one) for one in must.one_of}
    return (
        (words is None or text in words)
        and (must.matches is None or re.search(must.matches, text) is not None)
        and _within(must, text)
    )


def _within(must: Tests, text: str) -> bool:
    limits = [(reaches, getattr(must, name)) for name, reaches in _LIMITS]
    limits = [(reaches, limit) for reaches, limit in limits if limit is not None]
    try:
        number = float(text) if limits else math.nan
    except ValueError:
        return False
    return not limits or (
        math.isfinite(number) and all(reaches(number, limit) for reaches, limit in limits)
    )


def _text(found: object) -> str | None:
    if isinstance(found, bool):
        return str(found).lower()
    if isinstance(found, float) and found.is_integer():
        return str(int(found))
    return (str(found).strip(" ") or None) if isinstance(found, str | int | float) else None
