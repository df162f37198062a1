from __future__ import annotations

import pytest

from features.errors import (
    SHOWN,
    HomingError,
    InvalidArgument,
    InvalidEvent,
    MissingExtra,
    NotFound,
    Problem,
    SettingsError,
    shorten,
)


def problem(index: int | None, field: str) -> Problem:
    return Problem(index=index, field=field, value="'x'", reason="is bad", cure="send a good one")


@pytest.mark.parametrize(
    ("index", "field", "line"),
    [
        (3, "item", "[3].item = 'x': is bad; send a good one"),
        (3, "", "[3] = 'x': is bad; send a good one"),
        (None, "item", "item = 'x': is bad; send a good one"),
        (None, "", "input = 'x': is bad; send a good one"),
    ],
)
def test_a_problem_is_one_line_that_names_place_value_and_cure(
    index: int | None, field: str, line: str
) -> None:
    assert str(problem(index, field)) == line


def test_a_long_value_is_shortened() -> None:
    assert shorten("a" * 1000) == "'" + "a" * (SHOWN - 1) + "…"
    assert shorten("short") == "'short'"


def test_an_error_shows_its_first_problem_and_counts_the_others() -> None:
    assert str(InvalidEvent([problem(0, "id")])) == "[0].id = 'x': is bad; send a good one"
    several = InvalidEvent([problem(0, "id"), problem(1, "id"), problem(2, "id")])
    assert str(several).endswith("send a good one (and 2 more)")
    assert len(several.problems) == 3


def test_one_argument_makes_one_problem() -> None:
    error = InvalidArgument.of(-1, field="n", reason="too small", cure="send 1 or more")
    assert str(error) == "n = -1: too small; send 1 or more"


def test_one_name_that_is_not_there_makes_one_problem() -> None:
    error = NotFound.of("hat", field="item", reason="no such item", cure="send a known id")
    assert str(error) == "item = 'hat': no such item; send a known id"


def test_a_missing_extra_says_the_line_that_mends_it() -> None:
    error = MissingExtra("the Redis store", "redis")
    assert "pip install 'homing[redis]'" in str(error)
    assert isinstance(error, SettingsError)
    assert isinstance(error, HomingError)
