from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.bursts import LINKS, WITHIN
from features.sources.bursts import Click, in_bursts
from tests.unit.features.making import NOW


def clicks(*seconds_and_links: tuple[float, str], mail: str = "m-1") -> list[Click]:
    return [
        Click(mail, NOW + timedelta(seconds=seconds), link, place)
        for place, (seconds, link) in enumerate(seconds_and_links)
    ]


def test_three_links_at_once_are_a_robots() -> None:
    assert in_bursts(clicks((0, "a"), (2, "b"), (5, "c"))) == {0, 1, 2}


@pytest.mark.parametrize(
    "followed",
    [
        [(0, "a"), (1, "b")],
        [(0, "a"), (1, "a"), (2, "b"), (3, "a")],
        [(0, "a"), (3, "b"), (5.1, "c")],
        [],
    ],
)
def test_a_person_follows_fewer_or_slower(followed: list[tuple[float, str]]) -> None:
    assert in_bursts(clicks(*followed)) == set()


def test_the_links_of_two_mails_are_no_burst() -> None:
    first, second = clicks((0, "a"), (0, "b")), clicks((0, "c"), mail="m-2")
    assert in_bursts([*first, *second]) == set()


def test_who_reads_the_mail_later_is_a_person() -> None:
    burst = [(0, "a"), (0, "b"), (1, "c"), (1, "a")]
    assert in_bursts(clicks(*burst, (60, "a"))) == {0, 1, 2, 3}
    assert in_bursts(clicks((-60, "a"), *burst)) == {1, 2, 3, 4}


def test_a_long_burst_is_one() -> None:
    assert in_bursts(clicks(*((second, str(second)) for second in range(20)))) == set(range(20))


@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from("abcd")), max_size=12))
def test_a_click_is_hasty_where_enough_links_lie_in_one_span(
    followed: list[tuple[int, str]],
) -> None:
    made = clicks(*followed)
    spans = [[one for one in made if start.at <= one.at <= start.at + WITHIN] for start in made]
    hasty = [span for span in spans if len({one.link for one in span}) >= LINKS]
    assert in_bursts(reversed(made)) == {one.place for span in hasty for one in span}
