from __future__ import annotations

import asyncio
import threading
import time
from datetime import timedelta

import msgspec
import pytest

from features.errors import StoreUnavailable
from features.item import Item
from features.profile import history_of
from features.stores.ports import Asked
from serving.lanes import Lane
from serving.pinning import decode
from serving.slate import Ask, Reason, Rung, Slate
from tests.unit.serving.kit import (
    ANNA,
    BERT,
    ITEMS,
    Kit,
    ask,
    ask_many,
    ids,
    metric,
    purchase,
    slates,
)


def buys(kit: Kit, item: str) -> None:
    kit.profiles.fold({ANNA: history_of([purchase(ANNA, item)])})


def test_the_same_send_gets_the_same_slate_whatever_happened_since(ready: Kit) -> None:
    first = ask(ready)
    buys(ready, "cream")
    ready.promote("2")
    assert ask(ready) == first
    assert ids(ask(ready, send="tuesday")) != ids(first)


def test_another_customer_of_the_same_send_has_a_slate_of_his_own(ready: Kit) -> None:
    assert ask(ready).slate != ask(ready, who=BERT).slate


def test_two_blocks_of_one_send_share_no_item(ready: Kit) -> None:
    assert not set(ids(ask(ready))) & set(ids(ask(ready, block="second")))


def test_blocks_that_are_asked_at_once_share_no_item(ready: Kit) -> None:
    async def both(send: str) -> list[Slate]:
        asks = [Ask(customer=ANNA, block=block, send=send) for block in ("hero", "second")]
        return await asyncio.gather(*(ready.service.recommend(one) for one in asks))

    for number in range(20):
        hero, second = asyncio.run(both(f"send-{number}"))
        assert not set(ids(hero)) & set(ids(second))


def test_processes_that_answer_two_blocks_at_once_agree_on_turns(ready: Kit) -> None:
    # Another process took the first turn of the send for `second`, and has not chosen yet.
    ready.pins.pin(ANNA, "monday", "~0", b"second", 60)
    ready.pins.pin(ANNA, "monday", "~1", b"a block that is no more", 60)
    hero = ask(ready)
    second = ask(ready, block="second")
    assert ids(second) == ["cream", "dates"]
    assert ids(hero) == ["apple", "eggs"]
    assert (ask(ready), ask(ready, block="second")) == (hero, second)


@pytest.mark.parametrize(
    ("hurry", "first", "then"),
    [
        (False, ["apple", "bread"], ["cream", "dates"]),
        (True, ["cream", "dates"], ["apple", "eggs"]),
    ],
)
def test_who_is_unknown_or_has_no_time_waits_his_turn_too(
    ready: Kit, monkeypatch: pytest.MonkeyPatch, first: list[str], then: list[str], *, hurry: bool
) -> None:
    if hurry:
        monkeypatch.setattr(Lane, "wait", lambda lane, _more=0: 9.0 * (lane.name == "rank"))
        ready.know(BERT, "bread")
    # Another process took the first turn for `second`, and may choose the best at any moment.
    ready.pins.pin(BERT, "monday", "~0", b"second", 60)
    assert ids(ask(ready, who=BERT)) == then
    assert ids(ask(ready, who=BERT, block="second")) == first
    assert set(ready.pins.of_send(BERT, "monday")) == {"~0", "~1", "hero", "second"}


def test_a_turn_that_was_taken_is_not_taken_twice(ready: Kit) -> None:
    ready.pins.pin(ANNA, "monday", "~0", b"hero", 60)
    ask(ready, block="second")
    assert set(ready.pins.of_send(ANNA, "monday")) == {"~0", "~1", "hero", "second"}


def test_fewer_and_more_of_a_pinned_slate_begin_alike(ready: Kit) -> None:
    assert ids(ask(ready, n=1)) == ["cream"]
    assert ids(ask(ready)) == ["cream", "dates"]
    assert ids(ask(ready, n=3)) == ["cream", "dates", "apple"]


def test_a_pinned_item_that_is_sold_out_gives_way_to_the_next_best(ready: Kit) -> None:
    assert ids(ask(ready)) == ["cream", "dates"]
    ready.stock(*(msgspec.structs.replace(i, in_stock=i.id != "cream") for i in ITEMS))
    mended = ask(ready)
    assert ids(mended) == ["dates", "apple"]
    assert mended.served_by is Rung.MODEL


def test_what_fills_up_a_pinned_slate_is_pinned_as_well(ready: Kit) -> None:
    ask(ready)
    without = [msgspec.structs.replace(i, in_stock=i.id != "cream") for i in ITEMS]
    ready.stock(*without)
    first = ask(ready)
    assert ids(first) == ["dates", "apple"]
    ready.stock(*without, popular=("flour",))
    ready.know(ANNA, "flour")
    assert ask(ready) == first
    assert ids(ask(ready, n=3))[:2] == ids(first)
    ready.stock()
    assert ids(ask(ready)) == ["cream", "dates"]


def test_blocks_that_are_filled_up_share_no_item(ready: Kit) -> None:
    before = ids(ask(ready)), ids(ask(ready, block="second"))
    assert before == (["cream", "dates"], ["apple", "eggs"])
    ready.stock(
        *(msgspec.structs.replace(i, in_stock=i.id not in {"cream", "eggs"}) for i in ITEMS)
    )
    assert ids(ask(ready)) == ["dates", "flour"]
    assert ids(ask(ready, block="second")) == ["apple", "static-0"]


def test_without_the_store_too_nothing_sold_out_is_shown_again(ready: Kit) -> None:
    ready.fail()
    first = ask(ready)
    assert ids(first) == ["apple", "bread"]
    without = [msgspec.structs.replace(i, in_stock=i.id != "apple") for i in ITEMS]
    asyncio.run(mended_stock(ready, without))
    again = ask(ready)
    assert (ids(again), again.slate) == (["bread", "cream"], first.slate)
    assert ask(ready) == again


def test_a_store_that_is_lost_takes_no_slate_of_a_send_along(ready: Kit) -> None:
    hero = ask(ready)
    ready.fail()
    assert ask(ready) == hero
    assert not set(ids(hero)) & set(ids(ask(ready, block="second")))


async def mended_stock(kit: Kit, items: list[Item]) -> None:
    """Change the catalogue while the pins and profiles stay down."""
    kit.catalogue.fault = None
    await kit.service.put_items(items)


def test_a_pinned_item_is_drawn_at_todays_price(ready: Kit) -> None:
    ask(ready)
    asyncio.run(ready.service.put_items([Item(id="cream", title="Cream", price=9.0)]))
    assert ask(ready).items[0].price == 9.0


def test_a_pin_that_cannot_be_read_counts_as_none(ready: Kit) -> None:
    ready.pins.pin(ANNA, "monday", "hero", b"from another version", 60)
    assert ask(ready).served_by is Rung.MODEL


def test_without_the_store_it_is_popular_and_still_the_same_again(ready: Kit) -> None:
    ready.fail()
    first = ask(ready)
    assert (first.served_by, first.reason) == (Rung.POPULAR, Reason.STORE)
    assert ask(ready) == first
    ready.fail(None)
    ready.parts.catalogue.look()
    assert ask(ready) == first
    assert ask(ready, send="tuesday").served_by is Rung.MODEL


def test_a_store_that_is_down_is_asked_no_more_until_it_answers_in_the_background(
    ready: Kit,
) -> None:
    ready.fail()
    for number in range(5):
        ask(ready, send=None, who=BERT if number % 2 else ANNA)
    asked = len(ready.lookup.calls)
    ask(ready, send=None)
    assert len(ready.lookup.calls) == asked
    ready.fail(None)
    ready.parts.catalogue.look()
    assert ask(ready, send=None).served_by is Rung.MODEL


def test_pins_that_cannot_be_written_are_kept_in_memory(ready: Kit) -> None:
    def refuse_pinning() -> None:
        if ready.pins.calls[-1] == "pin_many":
            message = "read only"
            raise StoreUnavailable(message)

    ready.pins.fault = refuse_pinning
    first = ask(ready)
    assert first.served_by is Rung.MODEL
    buys(ready, "cream")
    assert ask(ready) == first


def test_a_store_that_hangs_is_answered_for_at_the_deadline(hasty: Kit) -> None:
    with hasty.hanging():
        began = time.monotonic()
        slate = ask(hasty)
        assert time.monotonic() - began < 1.0
        assert (slate.served_by, slate.reason) == (Rung.POPULAR, Reason.DEADLINE)
        # The same loop has nobody waiting for it either: both threads hang by now.
        assert ids(ask(hasty)) == ids(slate)
        later = [ask(hasty, send=f"send-{number}") for number in range(5)]
        assert {slate.served_by for slate in later} == {Rung.POPULAR}
        assert later[-1].reason is Reason.STORE
    assert metric(hasty, "homing_dependency_errors_total", dependency="store") >= 3


def test_an_answer_that_did_not_wait_for_the_store_is_pinned_behind(hasty: Kit) -> None:
    hasty.lookup.fault = lambda: time.sleep(0.4)
    first = ask(hasty)
    assert first.reason is Reason.DEADLINE
    hasty.lookup.fault = None
    deadline = time.monotonic() + 5
    while not hasty.pins.of_send(ANNA, "monday"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    (kept,) = hasty.pins.of_send(ANNA, "monday").values()
    choice = decode(kept)
    assert choice is not None
    assert choice.slate == first.slate


def test_a_pin_store_that_hangs_alone_costs_no_quality(hasty: Kit) -> None:
    def hang() -> None:
        if hasty.pins.calls[-1] == "pin_many":
            time.sleep(0.4)

    hasty.pins.fault = hang
    slate = ask(hasty)
    assert (slate.served_by, slate.reason) == (Rung.MODEL, None)
    hasty.pins.fault = None
    assert ask(hasty) == slate


def test_an_error_nobody_foresaw_still_gets_an_answer(ready: Kit) -> None:
    def burst() -> None:
        raise ZeroDivisionError

    ready.fail(burst)
    slate = ask(ready, send=None)
    assert (slate.served_by, slate.reason) == (Rung.POPULAR, Reason.FAILED)
    assert metric(ready, "homing_internal_errors_total") == 1


def test_when_even_the_ladder_bursts_the_static_items_answer(
    ready: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def burst(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("serving.making.choose", burst)
    slate = ask(ready)
    assert ids(slate) == ["static-0", "static-1"]
    assert (slate.served_by, slate.reason) == (Rung.STATIC, Reason.FAILED)


def test_a_batch_answers_each_as_one_ask_would(ready: Kit) -> None:
    ready.know(BERT, "dates", published=slates(hero=("flour",)))
    asks = [Ask(customer=who, block="hero") for who in (ANNA, BERT, "ck_" + "c" * 32, ANNA)]
    many = ask_many(ready, asks)
    singles = [ask(ready, send=None, who=one.customer) for one in asks]
    assert [(ids(slate), slate.served_by, slate.customer) for slate in many] == [
        (ids(slate), slate.served_by, slate.customer) for slate in singles
    ]


def test_a_batch_pins_as_one_ask_does(ready: Kit) -> None:
    asks = [Ask(customer=who, block="hero", send="monday") for who in (ANNA, BERT)]
    many = ask_many(ready, asks)
    assert [ask(ready), ask(ready, who=BERT)] == many
    assert ask_many(ready, asks) == many


def test_a_batch_without_the_store_is_popular(ready: Kit) -> None:
    ready.fail()
    asks = [Ask(customer=ANNA, block="hero", send=f"s-{number}") for number in range(10)]
    many = ask_many(ready, asks)
    assert {slate.reason for slate in many} == {Reason.STORE}
    assert {slate.served_by for slate in many} == {Rung.POPULAR}


def test_a_batch_that_bursts_is_answered_from_the_rung_at_hand(
    ready: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def burst(*_: object) -> None:
        raise ZeroDivisionError

    ready.know(BERT, "dates")
    monkeypatch.setattr("serving.making.rank", burst)
    asks = [Ask(customer=who, block="hero", send="monday") for who in (ANNA, BERT)]
    many = ask_many(ready, asks)
    assert [slate.reason for slate in many] == [Reason.FAILED] * 2
    assert [len(slate.items) for slate in many] == [2, 2]
    assert metric(ready, "homing_internal_errors_total") == 2


def test_batches_hold_up_no_template(hasty: Kit) -> None:
    async def both() -> Slate:
        batches = [
            asyncio.ensure_future(hasty.service.answer_many([Ask(customer=BERT, block="hero")]))
            for _ in range(8)
        ]
        await asyncio.sleep(0.01)
        slate = await hasty.service.recommend(Ask(customer=ANNA, block="hero"))
        release.set()
        await asyncio.gather(*batches)
        return slate

    release, look = threading.Event(), hasty.lookup.inner.look  # type: ignore[attr-defined]

    def slow(asked: list[Asked]) -> object:
        if asked[0].customer == BERT:
            release.wait(20)
        return look(asked)

    hasty.lookup.inner.look = slow  # type: ignore[attr-defined]
    # Had it waited behind the batches, it would have been answered at the deadline by a lower rung.
    assert asyncio.run(both()).served_by is Rung.MODEL


def test_pins_expire(ready: Kit) -> None:
    first = ask(ready)
    ready.clock.advance(timedelta(days=31))
    assert ask(ready).slate != first.slate


def test_answers_are_counted_by_rung_and_reason(ready: Kit) -> None:
    ask(ready)
    ask(ready, who=BERT)
    assert metric(ready, "homing_answers_total", rung="model", reason="") == 1
    assert metric(ready, "homing_answers_total", rung="popular", reason="unknown customer") == 1
