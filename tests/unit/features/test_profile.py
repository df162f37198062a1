"""What a history keeps of events, in evident cases; the laws are in tests/properties."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from features import profile
from features.event import Event, EventType
from features.profile import (
    CONSENT,
    Exposure,
    History,
    event_digest,
    history_of,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
AT = int(START.timestamp())
DAY = 86_400


def event(name: str, kind: EventType, item: str | None, day: float = 0) -> Event:
    return Event(
        id=name,
        type=kind,
        customer="ck_" + "a" * 32,
        occurred_at=START + timedelta(days=day),
        item=item,
    )


def shown(name: str, *items: str, day: float = 0, slate: str | None = None) -> Event:
    one = event(name, EventType.SLATE_SERVED, None, day)
    return msgspec.structs.replace(one, items=items, block="hero", slate=slate)


def test_no_events_are_the_empty_history() -> None:
    assert history_of([]) == History()
    assert History().owned() == frozenset()
    assert History().contactable()


def test_a_purchase_is_an_interaction_an_owned_item_and_the_latest_purchase() -> None:
    history = history_of([event("e-1", EventType.PURCHASE, "tea")])
    (one,) = history.interactions
    assert (one.at, one.item, one.type, one.quantity) == (AT, "tea", EventType.PURCHASE, 1.0)
    assert one.event == event_digest("e-1")
    assert history.bought == {"tea": AT}
    assert history.latest == {"purchase": AT}
    assert history.owned() == {"tea"}


def test_a_view_is_an_interaction_and_not_owned() -> None:
    history = history_of([event("e-1", EventType.VIEW, "tea")])
    assert len(history.interactions) == 1
    assert history.owned() == frozenset()


@pytest.mark.parametrize(
    ("kind", "item"),
    [
        (EventType.EMAIL_OPEN, None),
        (EventType.SEARCH, None),
        (EventType.SLATE_SERVED, None),
        (EventType.SLATE_SERVED, "tea"),
    ],
)
def test_what_joins_no_item_leaves_its_time_alone(kind: EventType, item: str | None) -> None:
    assert history_of([event("e-1", kind, item)]) == History(latest={kind: AT})


@pytest.mark.parametrize(
    "kind", [EventType.VIEW, EventType.EMAIL_OPEN, EventType.EMAIL_CLICK, EventType.SLATE_SERVED]
)
def test_what_a_robot_did_is_left_out(kind: EventType) -> None:
    robot = msgspec.structs.replace(shown("e-1", "tea"), type=kind, item="tea", machine=True)
    assert history_of([robot]) == History()


@pytest.mark.parametrize("kind", sorted(CONSENT))
def test_mail_ends_though_a_robot_ended_it(kind: EventType) -> None:
    person = event("e-1", kind, None)
    robot = msgspec.structs.replace(person, machine=True)
    assert history_of([robot]) == history_of([person]) == History(latest={kind: AT})


def test_who_somebody_is_says_nothing_of_what_was_done() -> None:
    known = msgspec.structs.replace(event("e-1", EventType.IDENTIFY, None), alias="ck_" + "b" * 32)
    assert history_of([known]) == History()


def test_a_click_on_an_item_is_an_interaction() -> None:
    history = history_of([event("e-1", EventType.EMAIL_CLICK, "tea")])
    assert [one.type for one in history.interactions] == [EventType.EMAIL_CLICK]


def test_a_slate_that_was_shown_is_an_exposure_and_no_interaction() -> None:
    assert history_of([shown("sl_1", "tea", "milk")]) == History(
        latest={"slate_served": AT},
        exposures=(Exposure(AT, event_digest("sl_1"), "hero", ("tea", "milk")),),
    )


def test_a_slate_that_several_report_is_one_exposure() -> None:
    ours, theirs = shown("sl_1", "tea"), shown("mail-7", "tea", slate="sl_1")
    assert history_of([theirs]) == history_of([ours])
    assert len(history_of([ours]).fold([theirs]).exposures) == 1


def test_only_the_most_recent_exposures_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile, "MAX_EXPOSURES", 2)
    history = history_of([shown(f"sl_{day}", f"item-{day}", day=day) for day in (3, 1, 2)])
    assert [one.items for one in history.exposures] == [("item-2",), ("item-3",)]


def test_what_was_given_back_is_not_owned_until_bought_again() -> None:
    history = history_of(
        [event("e-1", EventType.PURCHASE, "tea"), event("e-2", EventType.RETURN, "tea", day=1)]
    )
    assert history.returned == {"tea": AT + DAY}
    assert history.owned() == frozenset()
    again = history.fold([event("e-3", EventType.PURCHASE, "tea", day=2)])
    assert again.owned() == {"tea"}
    assert len(again.interactions) == 3


@pytest.mark.parametrize("kind", [EventType.UNSUBSCRIBE, EventType.EMAIL_COMPLAINT])
def test_who_wants_no_mail_gets_none(kind: EventType) -> None:
    assert not history_of([event("e-1", kind, None)]).contactable()


def test_the_same_id_with_other_content_is_one_event_and_the_later_counts() -> None:
    first = event("e-1", EventType.VIEW, "tea")
    second = event("e-1", EventType.VIEW, "tea", day=1)
    for events in ([first, second], [second, first]):
        assert [one.at for one in history_of(events).interactions] == [AT + DAY]


def test_only_the_most_recent_interactions_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile, "MAX_INTERACTIONS", 2)
    events = [event(f"e-{day}", EventType.VIEW, f"item-{day}", day=day) for day in (3, 1, 2)]
    assert [one.item for one in history_of(events).interactions] == ["item-2", "item-3"]


def test_only_the_last_bought_items_stay_and_ties_go_to_the_greater_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(profile, "MAX_OWNED", 2)
    events = [event(f"e-{item}", EventType.PURCHASE, item) for item in "acb"]
    history = history_of([*events, event("e-4", EventType.PURCHASE, "late", day=1)])
    assert history.bought == {"late": AT + DAY, "c": AT}


def test_a_digest_is_64_bits_and_tells_ids_apart() -> None:
    digests = {event_digest(f"e-{number}") for number in range(1_000)}
    assert len(digests) == 1_000
    assert 2**48 < max(digests) < 2**64
    assert event_digest("e-1") == event_digest("e-1")
