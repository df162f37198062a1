"""Answers of blocks that rotate: what was shown on one day, and what is shown on the next."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import msgspec
import pytest

from features.clock import FixedClock
from features.event import Event, EventType
from features.ingest import Ingest
from features.profile import History, Published, StoredSlate
from features.stores.codec import decode_event
from serving.ranking.blocks import RuleName
from serving.slate import Ask, Moved, Rung, Slate
from tests.unit.serving.kit import ANNA, BERT, HERO, NOW, Kit, slates

SUNDAY = int(NOW.timestamp())


@pytest.fixture
def turning(kit: Kit) -> Iterator[Kit]:
    """A shop whose hero rotates, and which records what it shows."""
    kit.stock()
    kit.configure(msgspec.structs.replace(HERO, rotation_days=7.0))
    kit.parts.exposures.start()
    yield kit
    kit.parts.exposures.close()


def ask(kit: Kit, send: str, customer: str = ANNA, block: str = "hero") -> Slate:
    asked = Ask(customer=customer, block=block, send=send, explain=True)
    return asyncio.run(kit.service.recommend(asked))


def ids(slate: Slate) -> list[str]:
    return [item.id for item in slate.items]


def fold(kit: Kit) -> list[Event]:
    """Let what was recorded reach the profiles; returns all of it."""
    kit.parts.exposures.close()
    recorded = [decode_event(entry.body) for entry in kit.log.take("test", 100)]
    Ingest(kit.log, kit.profiles, None, FixedClock(NOW)).fold_once()
    return recorded


def saw(kit: Kit, items: tuple[str, ...], days_ago: float, *, clicked: str | None = None) -> None:
    """Let the store know what a customer was shown, twice as long ago and then."""
    shown = [
        Event(
            id=f"sl_{number}",
            type=EventType.SLATE_SERVED,
            customer=ANNA,
            occurred_at=NOW - timedelta(days=days_ago * number),
            items=items,
        )
        for number in (1, 2)
    ]
    click = Event(
        id="click",
        type=EventType.EMAIL_CLICK,
        customer=ANNA,
        occurred_at=NOW - timedelta(days=days_ago),
        item=clicked,
    )
    kit.profiles.fold({ANNA: History().fold([*shown, click] if clicked else shown)})


def test_what_a_send_shows_is_recorded_once_however_often_it_is_asked_for(turning: Kit) -> None:
    first = ask(turning, "monday")
    assert ask(turning, "monday") == first
    (recorded,) = fold(turning)
    assert (recorded.id, recorded.send, recorded.block) == (first.slate, "monday", "hero")
    assert recorded.items == tuple(ids(first))
    assert (recorded.occurred_at, recorded.source) == (NOW, "homing")
    profile = turning.profiles.get(ANNA)
    assert [one.items for one in profile.history.exposures] == [tuple(ids(first))]


def test_the_next_mail_does_not_show_the_same_to_who_did_not_want_it(turning: Kit) -> None:
    assert ids(ask(turning, "monday")) == ["apple", "bread"]
    fold(turning)
    assert ids(ask(turning, "monday")) == ["apple", "bread"]
    assert ids(ask(turning, "tuesday")) == ["apple", "cream"]
    assert ids(ask(turning, "tuesday", customer=BERT)) == ["apple", "bread"]


def test_what_was_clicked_stays(turning: Kit) -> None:
    saw(turning, ("apple", "bread"), 1)
    assert ids(ask(turning, "monday")) == ["cream", "dates"]
    saw(turning, ("apple", "bread"), 1, clicked="bread")
    assert ids(ask(turning, "tuesday")) == ["bread", "cream"]


def test_the_model_s_answer_rotates_and_says_so(turning: Kit) -> None:
    turning.promote("1")
    turning.know(ANNA, "bread")
    assert ids(ask(turning, "monday")) == ["cream", "dates"]
    saw(turning, ("cream",), 1)
    slate = ask(turning, "tuesday")
    assert (ids(slate), slate.served_by) == (["dates", "apple"], Rung.MODEL)
    assert slate.items[0].moved == Moved(2, (RuleName.ROTATION,))


def test_a_stored_slate_is_let_down_only_by_what_was_shown_since_it_was_made(turning: Kit) -> None:
    stored = {"hero": StoredSlate(("flour", "eggs", "dates"), "recommender/7")}
    saw(turning, ("flour",), 1)
    turning.profiles.publish({ANNA: Published(at=SUNDAY, slates=stored)})
    assert ids(ask(turning, "monday")) == ["flour", "eggs"]
    turning.profiles.publish({ANNA: Published(at=SUNDAY - 9 * 86_400, slates=stored)})
    slate = ask(turning, "tuesday")
    assert (ids(slate), slate.served_by) == (["eggs", "dates"], Rung.PROFILE)


def test_static_items_are_shown_as_they_are_configured(turning: Kit) -> None:
    turning.stock(popular=())
    for name in ("apple", "bread", "cream", "dates", "eggs", "flour"):
        item = turning.catalogue.get_many([name])[name]
        turning.catalogue.put_many([msgspec.structs.replace(item, in_stock=False)])
    turning.parts.catalogue.look()
    saw(turning, ("static-0",), 1)
    assert ids(ask(turning, "monday")) == ["static-0", "static-1"]


def test_a_block_that_does_not_rotate_shows_the_same_again(turning: Kit) -> None:
    saw(turning, ("apple", "bread"), 1)
    turning.profiles.publish({ANNA: slates()})
    assert ids(ask(turning, "monday", block="second")) == ["apple", "bread"]
