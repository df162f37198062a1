from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.bursts import CLICKS, DELIVERIES, Bursts
from features.event import Event, EventType
from tests.unit.features.making import ANN, BOB, NOW, event


def happened(kind: EventType, second: float, item: str | None = None, **fields: object) -> Event:
    """Of the mail `monday` to Ann, so many seconds after `NOW`."""
    name = f"{kind}-{second}-{item}-{sorted(fields.items())}"
    at = NOW + timedelta(seconds=second)
    return event(name, at, **{"type": kind, "item": item, "send": "monday", **fields})


def clicked(second: float, item: str | None = None, **fields: object) -> Event:
    return happened(EventType.EMAIL_CLICK, second, item, **fields)


def delivered(second: float = 0) -> Event:
    return happened(EventType.EMAIL_DELIVERED, second)


def one_by_one(events: Sequence[Event]) -> list[bool]:
    """Whether each is taken for a robot's, all in requests of their own."""
    bursts = Bursts()
    return [bursts.marked([one])[0].machine for one in events]


def at_once(events: Sequence[Event]) -> list[bool]:
    """The same in one request."""
    return [one.machine for one in Bursts().marked(events)]


def test_every_link_within_seconds_of_delivery_is_a_robot() -> None:
    burst = [delivered(), clicked(2, "lamp"), clicked(2, "hat"), clicked(3, "cup")]
    assert at_once(burst) == [False, True, True, True]


def test_what_is_written_already_is_not_marked_any_more() -> None:
    burst = [delivered(), clicked(2, "lamp"), clicked(2, "hat"), clicked(3, "cup")]
    assert one_by_one(burst) == [False, False, True, True]


def test_a_delivery_may_be_told_after_the_clicks() -> None:
    assert one_by_one([clicked(1, "lamp"), clicked(2, "hat"), delivered(), clicked(3, "cup")]) == [
        *[False] * 3,
        True,
    ]


def test_long_after_delivery_it_takes_one_link_more() -> None:
    assert not any(at_once([delivered(), clicked(3_600, "lamp"), clicked(3_601, "hat")]))
    more = [clicked(second, f"item-{second}") for second in (3_600, 3_602, 3_605)]
    assert at_once([delivered(), *more]) == [False, True, True, True]


@pytest.mark.parametrize(
    ("second", "machine"), [(-10, True), (10, True), (-11, False), (11, False)]
)
def test_two_links_are_a_burst_as_long_as_it_is_soon(second: float, *, machine: bool) -> None:
    burst = [delivered(), clicked(second, "lamp"), clicked(second + 1, "hat")]
    assert at_once(burst)[1] is machine


@pytest.mark.parametrize(
    "person",
    [
        pytest.param([clicked(2, "lamp")], id="one click, however soon"),
        pytest.param([clicked(2, "lamp"), clicked(3, "lamp"), clicked(4, "lamp")], id="one link"),
        pytest.param([clicked(2, "lamp"), clicked(8, "hat"), clicked(14, "cup")], id="slowly"),
        pytest.param(
            [clicked(2, "lamp"), clicked(2, "hat", send="sunday"), clicked(3, "cup", customer=BOB)],
            id="other mails and customers",
        ),
        pytest.param([clicked(n, f"item-{n}", send=None) for n in range(3)], id="of no mail"),
        pytest.param(
            [happened(EventType.PURCHASE, n, f"item-{n}") for n in range(3)], id="no clicks"
        ),
    ],
)
def test_a_person_is_no_burst(person: list[Event]) -> None:
    assert not any(at_once([delivered(), *person]))
    assert not any(one_by_one([delivered(), *person]))


def test_a_click_that_leads_to_no_item_is_a_link_by_itself() -> None:
    clicks = [clicked(1), clicked(2), clicked(2.5)]
    assert at_once(clicks) == [True, True, True]


def test_the_same_click_again_is_no_further_link() -> None:
    again = [clicked(3_600), clicked(3_601), clicked(3_600), clicked(3_601)]
    assert not any(at_once(again))
    assert not any(one_by_one(again))


def test_what_was_opened_in_a_burst_is_marked_and_later_opens_are_not() -> None:
    burst = [clicked(1, "lamp"), clicked(2, "hat"), clicked(3, "cup")]
    opens = [happened(EventType.EMAIL_OPEN, second) for second in (0, 2, 60)]
    assert at_once([*burst, *opens]) == [True, True, True, False, True, False]


def test_a_person_may_click_where_a_robot_has_been() -> None:
    burst = [delivered(), clicked(1, "lamp"), clicked(2, "hat"), clicked(3, "cup")]
    assert at_once([*burst, clicked(900, "lamp")])[-1] is False


def test_what_a_source_has_marked_stays_marked() -> None:
    assert at_once([clicked(1, "lamp", machine=True)]) == [True]


def test_all_but_the_mark_is_as_it_was() -> None:
    burst = [delivered(), clicked(1, "lamp"), clicked(2, "hat")]
    unmarked = [clicked(1, "lamp", machine=True), clicked(2, "hat", machine=True)]
    found = Bursts().marked(burst)
    assert found[0] == burst[0]
    assert [one.item for one in found[1:]] == [one.item for one in unmarked]
    assert [one.id for one in found] == [one.id for one in burst]


def test_the_mail_of_which_nothing_came_for_longest_is_forgotten_first() -> None:
    bursts = Bursts(mails=2)
    bursts.marked([delivered(), clicked(1, "lamp")])
    bursts.marked([clicked(1, "lamp", send="two")])
    bursts.marked([delivered()])
    bursts.marked([clicked(1, "lamp", send="three")])
    assert bursts.marked([clicked(2, "hat")])[0].machine
    bursts.marked([clicked(1, "lamp", send="two"), clicked(1, "lamp", send="three")])
    assert not bursts.marked([clicked(3, "cup")])[0].machine


def test_of_a_mail_no_more_is_remembered_than_is_needed() -> None:
    bursts = Bursts()
    bursts.marked([delivered(), *[delivered(1_000 + n) for n in range(DELIVERIES)]])
    assert not bursts.marked([clicked(1, "lamp"), clicked(2, "hat")])[0].machine
    many = [clicked(5_000 + n * 100, f"item-{n}") for n in range(2 * CLICKS)]
    assert not any(one.machine for one in bursts.marked(many))
    assert not any(one.machine for one in bursts.marked([clicked(1, "cup")]))
    burst = [clicked(90_000 + n, f"item-{n}") for n in range(3)]
    assert all(one.machine for one in bursts.marked(burst))


def test_a_click_that_is_told_over_and_over_pushes_no_other_out() -> None:
    bursts = Bursts()
    bursts.marked([clicked(3_600, "lamp"), *[clicked(3_601, "hat")] * CLICKS])
    assert bursts.marked([clicked(3_602, "cup")])[0].machine


def test_a_delivery_that_is_told_over_and_over_pushes_no_other_out() -> None:
    bursts = Bursts()
    bursts.marked([delivered(), *[delivered(1_000)] * DELIVERIES])
    assert bursts.marked([clicked(1, "lamp"), clicked(2, "hat")])[0].machine


def test_threads_may_mark_at_once() -> None:
    bursts = Bursts(mails=4)

    def mark(number: int) -> bool:
        mail = [clicked(n, f"item-{n}", send=f"mail-{number % 8}") for n in range(3)]
        return all(one.machine for one in bursts.marked(mail))

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(mark, range(200)))


@given(
    st.lists(
        st.builds(
            clicked,
            st.integers(0, 20),
            st.sampled_from([None, "lamp", "hat"]),
            customer=st.sampled_from([ANN, BOB]),
        ),
        max_size=8,
    )
)
def test_a_request_that_is_sent_again_is_marked_again(events: list[Event]) -> None:
    bursts = Bursts()
    first = bursts.marked(events)
    assert bursts.marked(events) == first == Bursts().marked(events)
