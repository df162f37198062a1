"""A short form of the fuzzing, and that the long one finds what is there to be found."""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random

import pytest

from features.errors import InvalidArgument
from features.sources.opening import SOURCES
from tests.fuzz import __main__ as fuzzing
from tests.fuzz import drawn, webhooks
from tests.fuzz.known import targets
from tests.fuzz.message import delivery_in
from tests.fuzz.mutation import mutated
from tests.fuzz.target import Target, undeclared
from tests.unit.features.making import KEYS, NOW

TARGETS = targets()
CHANGED = 40
"""Cases of each target."""
MANY = 10
"""Bytes; some of the cases that are drawn have fewer, and no seed has."""


def test_every_source_is_fuzzed() -> None:
    assert {*SOURCES, "till", "segment"} <= set(TARGETS)


@pytest.mark.parametrize("name", webhooks.PAYLOADS)
def test_what_a_source_is_given_first_is_signed_and_says_something(name: str) -> None:
    source = webhooks.opened()[name].source
    for seed in TARGETS[name].seeds:
        delivery = delivery_in(seed)
        source.verify(delivery, NOW)
        received = source.read(delivery, KEYS, NOW)
        assert received.events or received.items or received.gone
        assert not received.unreadable


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_any_case_ends_well_or_in_an_error_that_is_declared(target: Target) -> None:
    random = Random(target.name)  # noqa: S311 - spreads cases, and keeps no secret
    for case in target.seeds:
        assert undeclared(target, case) is None
    for _ in range(CHANGED):
        case = random.choice(target.seeds)
        for _ in range(random.randrange(1, 4)):
            case = mutated(case, random)
        assert undeclared(target, case) is None, case


def burst(case: bytes) -> None:
    if len(case) < MANY:
        raise ZeroDivisionError
    raise InvalidArgument.of(case, field="case", reason="none", cure="send another")


def test_an_error_that_nobody_declared_is_found_and_its_case_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Target("broken", burst, [b'{"a": [1, 2, "b"]}'])
    monkeypatch.setattr(drawn, "targets", lambda: {"broken": broken})
    monkeypatch.setattr(sys, "argv", ["drawn", "broken", str(tmp_path), "300"])
    assert drawn.main() == drawn.FOUND
    (kept,) = tmp_path.iterdir()
    told = undeclared(broken, kept.read_bytes())
    assert told is not None
    assert "ZeroDivisionError" in told


def test_a_target_is_fuzzed_in_a_process_of_its_own(tmp_path: Path) -> None:
    outcome = fuzzing.fuzz("query", 300, tmp_path / "kept", under_atheris=fuzzing.guided())
    assert outcome.find is None, outcome.told
    assert outcome.cases >= 300
    assert fuzzing.cells("query", outcome)[-1] == "0"
    assert not (tmp_path / "kept").exists()


def test_a_find_is_told_with_where_it_is_kept() -> None:
    outcome = fuzzing.Outcome(7, 1.0, None, Path("var/fuzz/query"), "")
    assert fuzzing.cells("query", outcome) == ("query", "7", "1", "–", "1: var/fuzz/query")
