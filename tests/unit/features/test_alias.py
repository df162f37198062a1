"""Whose an alias is, in evident cases; orders and doubles are in tests/properties."""

from __future__ import annotations

import pytest

from features.alias import (
    Claim,
    Identified,
    Own,
    decode_own,
    encode_own,
    identified_of,
    root_of,
)
from features.event import Event, EventType
from features.profile import History
from tests.unit.features.making import ANN, BOB, CAT, DAN, NOW, event, identify

AT = int(NOW.timestamp()) * 1_000_000
HOUR = 3_600 * 1_000_000


def ends(*events: Event) -> dict[str, str]:
    """Who everybody is in the end who is not himself."""
    own = {key: Own(identified=one) for key, one in identified_of(events).items()}
    return {key: root_of(key, own) for key in own if root_of(key, own) != key}


def test_an_identify_says_something_of_both() -> None:
    assert identified_of([identify("i", ANN, BOB, 1), event("e")]) == {
        ANN: Identified(claim=Claim(AT + HOUR, BOB)),
        BOB: Identified(since=AT + HOUR),
    }


def test_who_is_his_own_alias_and_what_a_robot_says_count_for_nothing() -> None:
    robot = event("i", type=EventType.IDENTIFY, item=None, alias=BOB, machine=True)
    assert identified_of([identify("i-1", ANN, ANN), robot]) == {}


def test_an_anonymous_id_is_the_first_customers_who_identified() -> None:
    assert ends(identify("i-1", ANN, BOB, 1), identify("i-2", ANN, CAT, 2)) == {ANN: BOB}


def test_one_customer_may_have_many_aliases() -> None:
    assert ends(identify("i-1", ANN, CAT, 1), identify("i-2", BOB, CAT, 2)) == {ANN: CAT, BOB: CAT}


def test_two_customers_of_one_device_stay_two() -> None:
    shared = [identify("i-1", ANN, BOB, 1), identify("i-2", ANN, CAT, 2)]
    assert ends(*shared, identify("i-3", BOB, CAT, 3), identify("i-4", CAT, BOB, 4)) == {ANN: BOB}


def test_a_chain_is_followed_to_its_end() -> None:
    assert ends(identify("i-1", BOB, CAT, 1), identify("i-2", ANN, BOB, 2)) == {ANN: CAT, BOB: CAT}


def test_a_circle_is_broken_at_its_youngest_link() -> None:
    links = [(ANN, BOB), (BOB, CAT), (CAT, ANN)]
    oldest_last = [identify(f"i-{n}", *link, -n) for n, link in enumerate(links)]
    assert ends(*oldest_last) == {CAT: ANN, BOB: ANN}
    assert ends(identify("i-1", ANN, BOB, 1), identify("i-2", BOB, ANN, 2)) == {ANN: BOB}


def test_who_are_said_to_be_each_other_at_once_stay_themselves() -> None:
    assert ends(identify("i-1", ANN, BOB), identify("i-2", BOB, ANN)) == {}


def test_who_turns_out_to_be_a_customer_at_once_is_no_alias() -> None:
    assert ends(identify("i-1", ANN, BOB), identify("i-2", CAT, ANN)) == {CAT: ANN}


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_who_claim_an_alias_at_once_the_least_key_has_it(order: int) -> None:
    said = [identify("i-1", ANN, CAT), identify("i-2", ANN, BOB)]
    assert ends(*said[::order]) == {ANN: BOB}


def test_what_is_kept_wrongly_ends_nevertheless() -> None:
    own = {
        key: Own(identified=Identified(Claim(1, other))) for key, other in ((ANN, BOB), (BOB, ANN))
    }
    assert root_of(ANN, own) == ANN
    assert root_of(DAN, own) == DAN


def test_what_was_told_under_a_key_comes_back_and_joins() -> None:
    told = Own(History(bought={"tea": 1}), Identified(Claim(1, BOB), 2))
    assert decode_own(encode_own(told)) == told
    assert told.join(Own()) == told.join(told) == Own().join(told) == told
