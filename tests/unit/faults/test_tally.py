"""What judges answers under faults finds each thing that can be wrong with one."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.faults.client import Answer
from tests.faults.mix import Asked
from tests.faults.tally import Tally
from tests.faults.world import item_id

MAIL = Asked(7, "hero", "mail-1")
GOOD = (item_id(2), item_id(4), item_id(6), item_id(8))
MODEL = frozenset({"model"})


def answer(*items: str, seconds: float = 0.01, **other: Any) -> Answer:  # noqa: ANN401 - any field
    drawn = [
        {"position": place, "id": item, "price": 1.0} for place, item in enumerate(items, start=1)
    ]
    slate = {
        "slate": "sl_1",
        "served_by": "model",
        "reason": None,
        "model": "recommender/1",
        "count": len(items),
        "items": drawn,
    }
    return Answer(200, msgspec.json.encode({**slate, **other}), seconds)


def judged(*answers: Answer, asked: Asked = MAIL) -> dict[str, int]:
    tally = Tally(deadline=0.3, allowed=MODEL)
    for one in answers:
        tally.see(asked, MODEL, one)
    return dict(tally.wrong)


def test_a_good_answer_that_comes_twice_is_well() -> None:
    assert judged(answer(*GOOD), answer(*GOOD)) == {}


@pytest.mark.parametrize(
    ("fault", "wrong"),
    [
        (answer(*GOOD[:3]), "short"),
        (answer(*GOOD[:3], GOOD[0]), "duplicate"),
        (answer(*GOOD[:3], item_id(10)), "not eligible"),
        (answer(*GOOD[:3], item_id(11), served_by="popular"), "not eligible"),
        (answer(*GOOD[:3], item_id(3)), "mixed models"),
        (answer(*GOOD[:3], item_id((37 * 7 + 22) % 400 + 1)), "owned"),
        (answer(*GOOD, served_by="popular"), "rung popular"),
        (answer(*GOOD, served_by="static"), "static"),
        (Answer(200, b'{"slate": "sl', 0.01), "not a slate"),
        (Answer(500, b"", 0.01), "status 500"),
        (Answer(503, b"", 0.01), "status 503"),
        (Answer(0, b"", 30.0), "blank"),
    ],
)
def test_each_thing_that_can_be_wrong_is_found(fault: Answer, wrong: str) -> None:
    assert wrong in judged(fault)


def test_slates_that_differ_or_repeat_an_item_of_the_same_mail_are_found() -> None:
    assert judged(answer(*GOOD), answer(*GOOD, slate="sl_2")) == {"differed": 1}
    tally = Tally(deadline=0.3)
    tally.see(MAIL, None, answer(*GOOD))
    tally.see(MAIL._replace(block="again"), None, answer(*GOOD[1:], slate="sl_2"))
    assert dict(tally.wrong) == {"repeated in another block": 1}


def test_two_catalogues_in_one_answer_are_found() -> None:
    drawn = [{"position": 1 + n, "id": item, "price": n % 2} for n, item in enumerate(GOOD)]
    assert "mixed catalogues" in judged(answer(*GOOD, items=drawn))


def test_a_refusal_that_says_when_to_come_back_is_no_fault_but_counts() -> None:
    tally = Tally(deadline=0.3)
    tally.see(MAIL, None, Answer(503, b"", 0.01, 0, retry_after=True))
    assert (tally.refused, tally.answered, dict(tally.wrong)) == (1, 0, {})


@pytest.mark.parametrize(("own", "seconds", "late"), [(None, 0.36, 0.01), (50, 0.11, 0.01)])
def test_an_answer_after_the_deadline_and_some_is_late(
    own: int | None, seconds: float, late: float
) -> None:
    tally = Tally(deadline=0.3)
    tally.see(MAIL._replace(deadline_ms=own), None, answer(*GOOD, seconds=seconds - 0.02))
    assert tally.late == []
    tally.see(MAIL._replace(deadline_ms=own), None, answer(*GOOD, seconds=seconds))
    (found,) = tally.late
    assert found.seconds == pytest.approx(late)
    assert found.ended - found.began == pytest.approx(seconds)


def test_a_lower_rung_for_want_of_time_is_counted_apart() -> None:
    tally = Tally(deadline=0.3, allowed=MODEL)
    tally.see(MAIL, MODEL, answer(*GOOD, served_by="popular", reason="busy"))
    assert (tally.hurried, dict(tally.wrong)) == (1, {})


def test_rungs_are_judged_only_while_it_is_known_which_is_due() -> None:
    tally = Tally(deadline=0.3, allowed=None)
    tally.see(MAIL, MODEL, answer(*GOOD, served_by="popular"))
    tally.see(MAIL._replace(first=False), MODEL, answer(*GOOD, served_by="popular"))
    assert dict(tally.wrong) == {}
