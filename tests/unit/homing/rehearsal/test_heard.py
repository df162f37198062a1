from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from homing.rehearsal.heard import Fetch, Findings, Listener
from homing.rehearsal.measured import Measured
from homing.rehearsal.report import Blank, Dominant, RungShare

SIZES = {"hero": 2}


def slate(*items: str, name: str = "sl_1", rung: str = "model", reason: str | None = None) -> bytes:
    shown = [{"id": item, "title": item.title(), "price": 1.0} for item in items]
    body = {"slate": name, "served_by": rung, "reason": reason, "items": shown, "more": 1}
    return json.dumps(body).encode()


def findings(
    fetches: Sequence[Fetch], answers: Sequence[bytes | int | None], seconds: float = 0.1
) -> Findings:
    """What is found when these come: a body, a status, or nothing."""
    listener = Listener(fetches)
    statuses = []
    for number, answer in enumerate(answers):
        status = 200 if isinstance(answer, bytes) else answer or 0
        statuses.append(status)
        if status:
            listener.heard(number, status, answer if isinstance(answer, bytes) else b"")
    count = len(fetches)
    measured = Measured(
        statuses=np.array(statuses, np.int16),
        seconds=np.full(count, seconds),
        due=np.arange(count, dtype=np.float64),
        numbers=np.arange(count),
        unsent=0,
        took=1.0,
    )
    return listener.findings(measured, SIZES)


def firsts(*blocks: str) -> list[Fetch]:
    """A recipient for each."""
    return [Fetch(recipient, block, again=False) for recipient, block in enumerate(blocks)]


def test_what_shows_too_little_is_a_blank_and_says_why() -> None:
    answers: list[bytes | int | None]
    answers = [slate("a", "b"), slate("a"), 503, None, b"<html>", slate("a", "b", "c")]
    found = findings(firsts(*["hero"] * 6), answers)
    assert found.blanks == {
        "1 of 2 items": 1,
        "status 503": 1,
        "no answer": 1,
        "no slate in it": 1,
    }
    assert found.examples == (
        Blank(2, "hero", "1 of 2 items"),
        Blank(3, "hero", "status 503"),
        Blank(4, "hero", "no answer"),
        Blank(5, "hero", "no slate in it"),
    )


def test_an_answer_that_platforms_do_not_wait_for_is_a_blank() -> None:
    found = findings(firsts("hero"), [slate("a", "b")], seconds=2.1)
    assert found.blanks == {"later than 2 s": 1}


def test_a_block_that_is_configured_elsewhere_must_show_as_much_as_its_longest_slate() -> None:
    answers = [slate("a", "b", "c"), slate("a", "b"), slate()]
    found = findings(firsts(*["footer"] * 3), answers)
    assert found.blanks == {"2 of 3 items": 1, "0 of 3 items": 1}
    assert findings(firsts("footer"), [slate()]).blanks == {"0 of 1 items": 1}


def test_rungs_are_told_with_their_reasons_and_shares() -> None:
    answers = [slate("a", "b")] * 3 + [slate("a", "b", rung="popular", reason="unknown customer")]
    assert findings(firsts(*["hero"] * 4), answers).rungs == (
        RungShare("model", None, 3, 0.75),
        RungShare("popular", "unknown customer", 1, 0.25),
    )


def test_repeats_in_a_slate_and_across_the_blocks_of_a_mail_are_counted() -> None:
    fetches = [Fetch(0, "hero", again=False), Fetch(0, "more", again=False), *firsts("hero")]
    fetches[2] = Fetch(1, "hero", again=False)
    found = findings(fetches, [slate("a", "b"), slate("b", "c"), slate("a", "a")])
    assert (found.twice, found.across) == (1, 1)


def test_a_fetch_that_is_answered_otherwise_the_second_time_is_told() -> None:
    pairs = [
        Fetch(recipient, "hero", again=again) for recipient in range(4) for again in (False, True)
    ]
    same = slate("a", "b")
    answers: list[bytes | int | None] = [
        *(same, same),
        *(same, slate("a", "b", name="sl_2")),
        *(same, slate("b", "a")),
        *(503, same),
    ]
    found = findings(pairs, answers)
    assert found.differing == 2
    assert found.blanks == {"status 503": 1}
    # Only first fetches count as slates: a repeat is the same mail, seen again.
    assert sum(of.slates for of in found.rungs) == 3


def test_items_that_dominate_are_told_with_their_titles_and_shares() -> None:
    answers = [slate("a", "b"), slate("a", "c"), slate("a", "d"), slate("b", "e")]
    found = findings(firsts(*["hero"] * 4), answers)
    assert found.dominant[:2] == (Dominant("a", "A", 3, 0.75), Dominant("b", "B", 2, 0.5))
    assert (found.items, found.top_share) == (5, 1.0)


def test_nothing_heard_is_all_blank() -> None:
    found = findings(firsts("hero", "hero"), [None, None])
    assert found.blanks == {"no answer": 2}
    assert (found.rungs, found.dominant, found.items, found.top_share) == ((), (), 0, 0.0)
