"""A published slate is sent as it is while it is what the model would answer, and no longer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from features.event import Event, EventType
from features.item import Item
from features.override import parse_override
from features.profile import Profile, Published, Spoken, StoredSlate, history_of
from features.profile_codec import encode, exposed_digest, history_digest
from features.stores.codec import items_digest
from features.stores.ports import Asked, Seen
from serving.ranking.blocks import Block, block_digest
from serving.slate import Ask, Reason, Rung, Slate
from tests.unit.serving.kit import ANNA, BLOCKS, HERO, ITEMS, NOW, Kit, purchase

STORED = ("flour", "eggs", "dates", "cream", "apple")
"""Not what the model would say: so that it is seen who answered."""


SPOKEN = (Spoken(EventType.PURCHASE, "bread"), *4 * (None,))


def publish(kit: Kit, block: Block = HERO, **changes: object) -> None:
    """Publish a slate of Anna's that is current, but for the changes."""
    history = history_of([purchase(ANNA, "bread", 200)])
    published = Published(
        at=int(NOW.timestamp()) - 60,
        slates={
            block.name: StoredSlate(STORED, "recommender/1", SPOKEN),
        },
        history=history_digest(encode(history)),
        exposed=exposed_digest(encode(history)),
        catalogue=items_digest(ITEMS),
        blocks={name: block_digest(one) for name, one in {**BLOCKS, block.name: block}.items()},
    )
    made = msgspec.structs.replace(published, **changes)
    kit.profiles.put_many([Profile(ANNA, history, made)])


class Sees:
    """A lookup that has the same of everybody."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen

    def look(self, asked: Sequence[Asked]) -> list[Seen]:
        return [self._seen for _ in asked]


@pytest.fixture
def shop(kit: Kit) -> Kit:
    kit.stock()
    kit.promote("1")
    publish(kit)
    return kit


def ask(
    kit: Kit, send: str | None = None, block: str = "hero", n: int | None = None, **more: bool
) -> Slate:
    asked = Ask(customer=ANNA, block=block, send=send, n=n, **more)
    return asyncio.run(kit.service.recommend(asked))


def ids(slate: Slate) -> list[str]:
    return [item.id for item in slate.items]


def made(kit: Kit, what: str) -> float:
    name, labels = "homing_answers_made_total", {"from": what}
    return kit.parts.metrics.registry.get_sample_value(name, labels) or 0.0


def test_a_current_slate_is_the_model_s_answer(shop: Kit) -> None:
    slate = ask(shop)
    assert ids(slate) == ["flour", "eggs"]
    assert (slate.served_by, slate.reason, slate.model) == (Rung.MODEL, None, "recommender/1")
    assert [item.because and item.because.item for item in slate.items] == ["bread", None]
    assert slate.items[0].because is not None
    assert slate.items[0].because.kind == "bought"
    assert (made(shop, "stored"), made(shop, "live")) == (1, 0)


def test_more_of_it_goes_on_and_more_than_there_is_comes_from_the_model(shop: Kit) -> None:
    assert ids(ask(shop, n=4)) == ["flour", "eggs", "dates", "cream"]
    assert ids(ask(shop, n=6))[:2] == ["cream", "dates"]


def test_what_was_published_without_a_word_of_the_model_is_not_the_model_s(shop: Kit) -> None:
    publish(shop, slates={"hero": StoredSlate(STORED, "recommender/1", SPOKEN[:1])})
    assert ids(ask(shop)) == ["cream", "dates"]


def test_it_is_pinned_like_any_other(shop: Kit) -> None:
    first = ask(shop, send="monday")
    publish(shop, slates={})
    assert ask(shop, send="monday") == first
    assert ids(ask(shop, send="tuesday")) == ["cream", "dates"]


def test_blocks_of_one_send_share_no_stored_item(shop: Kit) -> None:
    second = StoredSlate(("eggs", "apple", "bread"), "recommender/1", 3 * (None,))
    publish(shop, slates={"hero": StoredSlate(STORED, "recommender/1", SPOKEN), "second": second})
    assert ids(ask(shop, send="monday")) == ["flour", "eggs"]
    assert ids(ask(shop, send="monday", block="second")) == ["apple", "bread"]
    assert made(shop, "stored") == 2


def buys(kit: Kit) -> None:
    kit.profiles.fold({ANNA: history_of([purchase(ANNA, "cream")])})


def sells_out(kit: Kit) -> None:
    kit.stock(*(msgspec.structs.replace(item, in_stock=item.id != "apple") for item in ITEMS))


def changes_a_price(kit: Kit) -> None:
    asyncio.run(kit.service.put_items([msgspec.structs.replace(ITEMS[0], price=9.0)]))


def promotes(kit: Kit) -> None:
    kit.promote("2")


def changes_a_rule(kit: Kit) -> None:
    kit.configure(msgspec.structs.replace(HERO, repeat_after_days=1.0))


def has_no_rules_published(kit: Kit) -> None:
    publish(kit, blocks={})


def decides(kit: Kit, block: str = "hero") -> None:
    boost = parse_override({"action": "boost", "item": "dates", "block": block}, NOW)
    asyncio.run(kit.service.put_overrides([boost]))


@pytest.mark.parametrize(
    "change",
    [buys, sells_out, changes_a_price, promotes, changes_a_rule, has_no_rules_published, decides],
    ids=lambda change: change.__name__,
)
def test_whatever_it_was_made_from_changes_the_model_answers_anew(
    shop: Kit, change: Callable[[Kit], None]
) -> None:
    change(shop)
    slate = ask(shop)
    assert ids(slate)[0] in {"cream", "dates"}
    assert slate.served_by is Rung.MODEL
    assert (made(shop, "stored"), made(shop, "live")) == (0, 1)


def test_what_is_decided_about_another_block_changes_nothing(shop: Kit) -> None:
    decides(shop, "second")
    assert ids(ask(shop)) == ["flour", "eggs"]
    assert made(shop, "stored") == 1


def test_a_catalogue_that_is_sent_again_unchanged_changes_nothing(shop: Kit) -> None:
    shop.stock(*reversed(ITEMS))
    assert ids(ask(shop)) == ["flour", "eggs"]


def test_events_that_no_slate_is_made_from_change_nothing(shop: Kit) -> None:
    opened = Event(id="1", type=EventType.EMAIL_OPEN, customer=ANNA, occurred_at=NOW)
    shop.profiles.fold({ANNA: history_of([opened])})
    assert ids(ask(shop)) == ["flour", "eggs"]


def test_an_item_that_comes_or_goes_since_makes_the_model_answer_anew(kit: Kit) -> None:
    soon = NOW + timedelta(minutes=5)
    items = (*ITEMS, Item(id="new", title="New", available_from=soon))
    kit.stock(*items)
    kit.promote("1")
    publish(kit, catalogue=items_digest(items))
    assert ids(ask(kit)) == ["flour", "eggs"]
    kit.clock.advance(timedelta(minutes=6))
    assert ids(ask(kit)) == ["cream", "dates"]


def test_how_rules_moved_items_is_told_by_the_model_alone(shop: Kit) -> None:
    assert ids(ask(shop, explain=True)) == ["cream", "dates"]


def test_a_slate_under_rules_is_not_thinned_out(shop: Kit) -> None:
    capped = Block(name="second", size=2, category_cap=5, items=HERO.items)
    shop.configure(capped)
    both = {
        "hero": StoredSlate(STORED, "recommender/1", SPOKEN),
        "second": StoredSlate(STORED, "recommender/1", SPOKEN),
    }
    publish(shop, capped, slates=both)
    assert ids(ask(shop, block="second")) == ["flour", "eggs"]
    ask(shop, send="monday")
    assert "flour" not in ids(ask(shop, send="monday", block="second"))
    assert made(shop, "live") == 1


def test_a_rotating_block_looks_at_what_was_shown_and_others_do_not(shop: Kit) -> None:
    rotating = msgspec.structs.replace(BLOCKS["second"], rotation_days=30.0)
    shop.configure(rotating)
    both = {name: StoredSlate(STORED, "recommender/1", SPOKEN) for name in ("hero", "second")}
    publish(shop, rotating, slates=both)
    shown = Event(
        id="sl_1",
        type=EventType.SLATE_SERVED,
        customer=ANNA,
        occurred_at=NOW,
        block="second",
        send="s",
        slate="sl_1",
        items=("flour",),
    )
    assert ids(ask(shop, block="second")) == ["flour", "eggs"]
    shop.profiles.fold({ANNA: history_of([shown])})
    assert ids(ask(shop)) == ["flour", "eggs"]
    assert ids(ask(shop, block="second"))[0] != "flour"


NO_TEXT = msgspec.Raw(b"\x92\x91\xa5flour\xa2\xff\xfe")
"""A slate whose model is no UTF-8."""


def change(kit: Kit, history: bytes | None = None, **published: object) -> None:
    """Let the store have something else of Anna than was put into it."""
    [seen] = kit.lookup.look([Asked(ANNA, None)])
    told = msgspec.msgpack.encode({**msgspec.msgpack.decode(seen.published), **published})
    kit.lookup.inner = Sees(Seen(history or seen.history, told, {}))


@pytest.mark.parametrize(
    "broken",
    [
        {"slates": {"hero": 7}},
        {"slates": {"hero": NO_TEXT}},
        {"slates": 7},
        {"segment": msgspec.Raw(b"\xa2\xff\xfe")},
        {"more": msgspec.Raw(100_000 * b"\x91" + b"\x90")},
        {"history": b"\xc1"},
        {"history": b"\x81\xa6bought\x81\xa2\xff\xfe\x01"},
        {"history": b"\x81\xa4more" + 100_000 * b"\x91" + b"\x90"},
    ],
)
def test_a_profile_that_can_not_be_read_is_a_lower_rung_and_no_error(
    shop: Kit, broken: dict[str, Any]
) -> None:
    change(shop, **broken)
    slate = ask(shop)
    assert (slate.served_by, slate.reason, len(slate.items)) == (Rung.POPULAR, Reason.STORE, 2)
    assert made(shop, "lower") == 1
    assert not shop.parts.metrics.registry.get_sample_value("homing_internal_errors_total")


def test_of_several_slates_only_the_one_that_is_asked_for_is_read(shop: Kit) -> None:
    history, stored = history_of([purchase(ANNA, "bread", 200)]), (STORED, "recommender/1", SPOKEN)
    change(shop, encode(history), slates={"hero": stored, "second": NO_TEXT})
    assert ids(ask(shop)) == ["flour", "eggs"]
    assert made(shop, "stored") == 1
