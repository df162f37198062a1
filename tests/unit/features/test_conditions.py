"""Contracts: what a row must be, as SQL, and mappings that make no sense."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from features.errors import InvalidArgument
from features.importing import Destination
from features.lake import Lake
from features.mapping import parse_mapping
from tests.unit.features.imported import EVENT, events, parquet, rows, run


def contract(must: str) -> str:
    return f'{EVENT}\n[[contract]]\nrule = "sound"\nmust = {must}\n'


@pytest.mark.parametrize(
    ("must", "good", "bad"),
    [
        ('{column = "x", present = true}', ["a"], ["", None, " "]),
        ('{column = "x", at_least = 0}', ["0", "7.5", None], ["-1", "none", "nan", "inf"]),
        ('{column = "x", above = 0, below = 10}', ["1", None], ["0", "10"]),
        ('{column = "x", at_most = 10, present = true}', ["10", "-3"], ["10.5", None]),
        ('{column = "x", one_of = ["a", 7, true]}', ["a", "7", "true", None], ["b"]),
        ('{column = "x", matches = "^[A-Z]{2}$"}', ["AB", None], ["ABC", "ab"]),
        ('{column = "x", past = true}', ["2026-01-01", None], ["2027-01-01", "soon"]),
        ('{column = "x", not_above = "y"}', ["5", "4", None], ["6", "x"]),
        ('{column = "x", not_below = "y"}', ["5", "6"], ["4"]),
        ('{column = "x", same_as = "y", compared_as = "text"}', ["5"], ["5.0"]),
        (
            '{column = "x", not_above = "z", compared_as = "time"}',
            ["2026-01-01", "2026-01-02T00:00:00Z"],
            ["2026-01-03"],
        ),
    ],
)
def test_a_row_must_be_what_its_contract_says(
    tmp_path: Path, must: str, good: list[str | None], bad: list[str | None]
) -> None:
    said = [{"x": one, "what": one or "-", "y": "5", "z": "2026-01-02"} for one in (*good, *bad)]
    into = Destination(Lake(str(tmp_path / "lake")))
    report = run(
        parquet(tmp_path, rows(*said, at=datetime(2026, 2, 1, tzinfo=UTC))), contract(must), into
    )
    assert dict(report.rejected) == {"sound": len(bad)}
    assert report.accepted == len(good)


def test_what_must_be_there_once_is_refused_wherever_it_comes_twice(tmp_path: Path) -> None:
    given = rows({"a": 1, "b": 1}, {"a": 1, "b": 2}, {"a": 1, "b": 2}, {"a": 1, "b": None})
    into = Destination(Lake(str(tmp_path / "lake")))
    report = run(parquet(tmp_path, given), contract('{unique = ["a", "b"]}'), into)
    assert (report.accepted, dict(report.rejected)) == (2, {"sound": 2})


def test_what_is_rejected_is_not_held_to_the_contract(tmp_path: Path) -> None:
    mapping = contract('{column = "n", above = 0}')
    mapping += '[[event.reject]]\nreason = "none"\nwhen = {column = "n", equals = 0}'
    into = Destination(Lake(str(tmp_path / "lake")))
    report = run(parquet(tmp_path, rows({"n": 0}, {"n": -1}, {"n": 1})), mapping, into)
    assert dict(report.rejected) == {"none": 1, "sound": 1}
    assert len(events(into.lake)) == 1


def test_what_is_rejected_may_be_there_besides_what_must_be_there_once(tmp_path: Path) -> None:
    mapping = contract('{unique = ["n"]}')
    mapping += '[[event.reject]]\nreason = "void"\nwhen = {column = "state", equals = "void"}'
    given = rows({"n": 1, "state": "void"}, {"n": 1}, {"n": 2}, {"n": 2}, state="paid")
    into = Destination(Lake(str(tmp_path / "lake")))
    report = run(parquet(tmp_path, given), mapping, into)
    assert (report.accepted, dict(report.rejected)) == (1, {"void": 1, "sound": 2})


def test_a_rule_may_say_what_must_not_be(tmp_path: Path) -> None:
    mapping = f'{EVENT}\n[[contract]]\nrule = "sound"\nbroken = {{column = "n", below = 0}}\n'
    into = Destination(Lake(str(tmp_path / "lake")))
    report = run(parquet(tmp_path, rows({"n": 0}, {"n": -1})), mapping, into)
    assert dict(report.rejected) == {"sound": 1}


def test_a_column_that_a_rule_needs_and_the_file_lacks_is_named(tmp_path: Path) -> None:
    into = Destination(Lake(str(tmp_path / "lake")))
    with pytest.raises(InvalidArgument, match=r"contract\[0\].must = 'prize'"):
        run(parquet(tmp_path, rows({})), contract('{column = "prize", above = 0}'), into)


def rule(**words: Any) -> str:  # noqa: ANN401 - TOML
    said = "\n".join(f"{word} = {text}" for word, text in words.items())
    return f"{EVENT}\n[[contract]]\n{said}\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"rule": '"r"'}, "not one condition"),
        ({"rule": '"r"', "must": "{}"}, "not one thing"),
        ({"rule": '"r"', "must": '{column = "x"}'}, "no test of a column"),
        ({"rule": '"r"', "must": "{at_least = 3}"}, "no test of a column"),
        ({"rule": '"r"', "must": '{column = "x", above = 3, unique = ["x"]}'}, "not one thing"),
        ({"rule": '"r"', "must": "{known = true}"}, r"no \[catalogue\]"),
        (
            {"rule": '"r"', "must": '{unique = ["x"]}', "broken": '{column = "x", below = 3}'},
            "not one condition",
        ),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(words: dict[str, str], says: str) -> None:
    with pytest.raises(InvalidArgument, match=says):
        parse_mapping(rule(**words), "m.toml")
