"""Overrides reach every answer: what is banned is on no rung, what is pinned or boosted comes."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from features.errors import InvalidArgument, NotFound
from features.override import parse_override
from serving.ranking.overrides import NO_OVERRIDES
from serving.slate import Ask, Rung, Slate
from tests.unit.serving.kit import ANNA, BERT, ITEMS, NOW, Kit, make_kit, refuse, slates


def decide(kit: Kit, action: str, item: str, **scope: Any) -> None:  # noqa: ANN401 - any field
    raw = {"action": action, "item": item, **scope}
    asyncio.run(kit.service.put_overrides([parse_override(raw, NOW)]))


def ask(kit: Kit, customer: str = ANNA, **more: Any) -> Slate:  # noqa: ANN401 - any field
    asked = Ask(customer=customer, block=more.pop("block", "hero"), **more)
    return msgspec.json.decode(asyncio.run(kit.service.answer(asked)).body, type=Slate)


def ids(slate: Slate) -> list[str]:
    return [item.id for item in slate.items]


@pytest.fixture
def shop(kit: Kit) -> Kit:
    """Anna bought bread; the model says cream, then dates."""
    kit.stock()
    kit.promote("1")
    kit.know(ANNA, "bread")
    return kit


def test_a_banned_item_is_on_no_rung(shop: Kit) -> None:
    for item in ("cream", "apple", "static-0"):
        decide(shop, "ban", item)
    assert ids(ask(shop, n=7)) == ["dates", "eggs", "flour", "static-1", "static-2"]
    shop.know(BERT, published=slates(hero=("cream", "flour")))
    shop.registry.alias = None
    assert ids(ask(shop, customer=BERT)) == ["flour", "bread"]
    assert ids(ask(shop, customer="ck_" + "f" * 32)) == ["bread", "dates"]


def test_a_ban_keeps_to_its_block_and_its_segment(shop: Kit) -> None:
    decide(shop, "ban", "cream", block="second")
    decide(shop, "ban", "dates", segment="loyal")
    assert ids(ask(shop)) == ["cream", "dates"]
    assert ids(ask(shop, block="second")) == ["dates", "apple"]
    shop.know(ANNA, "bread", published=slates())
    assert ids(ask(shop)) == ["cream", "apple"]


def test_a_pin_has_its_place_whoever_answers(shop: Kit) -> None:
    decide(shop, "pin", "flour")
    slate = ask(shop, explain=True)
    assert ids(slate) == ["flour", "cream"]
    assert slate.served_by is Rung.MODEL
    shown = [msgspec.json.decode(msgspec.json.encode(item.moved)) for item in slate.items]
    assert shown == [
        {"from_position": None, "rules": [], "overrides": ["pin"]},
        {"from_position": 1, "rules": [], "overrides": ["pin"]},
    ]
    assert ids(ask(shop, customer=BERT)) == ["flour", "apple"]


def test_what_is_pinned_and_may_not_be_shown_is_not_shown(shop: Kit) -> None:
    decide(shop, "pin", "bread")
    decide(shop, "pin", "flour", position=2)
    assert ids(ask(shop)) == ["cream", "flour"]
    assert ids(ask(shop, block="again")) == ["bread", "flour"]
    shop.stock(*ITEMS[:5], msgspec.structs.replace(ITEMS[5], in_stock=False))
    assert ids(ask(shop)) == ["cream", "dates"]


def test_a_boosted_item_rises_by_places(shop: Kit) -> None:
    decide(shop, "boost", "flour", strength=0.5)
    slate = ask(shop, explain=True)
    assert ids(slate) == ["cream", "flour"]
    assert msgspec.json.decode(msgspec.json.encode(slate.items[1].moved)) == {
        "from_position": None,
        "rules": [],
        "overrides": ["boost"],
    }
    assert ids(ask(shop, n=1)) == ["cream"]
    decide(shop, "boost", "flour")
    assert ids(ask(shop)) == ["flour", "cream"]


def test_an_item_that_the_model_has_never_seen_can_be_pinned(shop: Kit) -> None:
    shop.stock(*ITEMS, msgspec.structs.replace(ITEMS[0], id="new", title="New"))
    decide(shop, "pin", "new", position=2)
    assert ids(ask(shop)) == ["cream", "new"]


def test_a_pinned_slate_loses_what_is_banned_since_and_takes_the_next_best(shop: Kit) -> None:
    assert ids(ask(shop, send="mail")) == ["cream", "dates"]
    decide(shop, "ban", "cream")
    assert ids(ask(shop, send="mail")) == ["dates", "apple"]


def test_a_slate_that_was_answered_stays_when_others_are_pinned(shop: Kit) -> None:
    assert ids(ask(shop, send="mail")) == ["cream", "dates"]
    decide(shop, "pin", "flour")
    assert ids(ask(shop, send="mail")) == ["cream", "dates"]


def test_two_blocks_of_a_send_do_not_both_show_what_is_pinned(shop: Kit) -> None:
    decide(shop, "pin", "flour")
    assert ids(ask(shop, send="mail")) == ["flour", "cream"]
    assert "flour" not in ids(ask(shop, send="mail", block="second"))


def test_similar_items_leave_out_what_is_banned_everywhere(shop: Kit) -> None:
    decide(shop, "ban", "cream")
    decide(shop, "ban", "dates", block="hero")
    similar = asyncio.run(shop.service.similar("bread", 2))
    assert [item.id for item in similar.items] == ["dates"]
    asyncio.run(shop.service.drop_override(asyncio.run(shop.service.overrides())[0].id))


def test_an_override_ends_by_itself(shop: Kit) -> None:
    decide(shop, "ban", "cream", ends_at=str(NOW + timedelta(hours=1)))
    assert ids(ask(shop, customer=BERT)) == ["apple", "bread"]
    assert ids(ask(shop)) == ["dates", "apple"]
    assert shop.service.status().overrides == 1
    shop.clock.advance(timedelta(hours=1))
    assert ids(ask(shop)) == ["cream", "dates"]
    assert shop.service.status().overrides == 0
    assert asyncio.run(shop.service.overrides()) == ()


def test_an_override_that_begins_reaches_answers_for_everybody(shop: Kit) -> None:
    decide(shop, "ban", "apple", starts_at=str(NOW + timedelta(hours=1)))
    assert ids(ask(shop, customer=BERT)) == ["apple", "bread"]
    shop.clock.advance(timedelta(hours=1))
    assert ids(ask(shop, customer=BERT)) == ["bread", "cream"]


def test_what_is_dropped_is_not_in_force_any_more(shop: Kit) -> None:
    decide(shop, "ban", "cream", id="no-cream")
    asyncio.run(shop.service.drop_override("no-cream"))
    assert ids(ask(shop)) == ["cream", "dates"]
    with pytest.raises(NotFound, match=r"no-cream.*no such override"):
        asyncio.run(shop.service.drop_override("no-cream"))


def test_a_slip_is_refused_and_nothing_is_kept(shop: Kit) -> None:
    with pytest.raises(InvalidArgument, match="item = 'crema': no such item"):
        decide(shop, "ban", "crema")
    with pytest.raises(InvalidArgument, match="block = 'heroes': no such block; choose among hero"):
        decide(shop, "ban", "cream", block="heroes")
    assert asyncio.run(shop.service.overrides()) == ()


def test_another_process_obeys_as_soon_as_it_looks(shop: Kit) -> None:
    current = shop.parts.current
    shop.catalogue.put_overrides([parse_override({"action": "ban", "item": "cream"}, NOW)], NOW)
    shop.parts.overrides.look()
    assert ids(ask(shop)) == ["dates", "apple"]
    copy, seen = current.snapshot.catalogue, current.snapshot.overrides
    shop.parts.overrides.look()
    assert current.snapshot.overrides is seen
    assert current.snapshot.catalogue is copy


def test_overrides_hold_after_a_restart_without_the_store(shop: Kit, tmp_path: Path) -> None:
    decide(shop, "ban", "cream")
    again = make_kit(tmp_path)
    again.fail()
    assert not make_kit(tmp_path / "elsewhere").parts.overrides.load_local()
    assert again.parts.overrides.load_local()
    again.parts.overrides.look()
    assert again.parts.current.snapshot.overrides.banned("cream", "hero", None, NOW)


def test_a_store_that_lost_everything_lifts_no_ban(shop: Kit, tmp_path: Path) -> None:
    decide(shop, "ban", "cream")
    empty = make_kit(tmp_path)
    assert empty.parts.overrides.load_local()
    for _ in range(2):
        empty.parts.overrides.look()
        assert empty.parts.current.snapshot.overrides.banned("cream", "hero", None, NOW)
    empty.stock()
    decide(empty, "ban", "dates")
    obeyed = empty.parts.current.snapshot.overrides
    assert [one.item for one in obeyed.all] == ["dates"]


def test_a_copy_that_cannot_be_read_counts_as_none(shop: Kit, tmp_path: Path) -> None:
    (tmp_path / "overrides.msgpack").write_bytes(b"\xff")
    assert not shop.parts.overrides.load_local()
    assert shop.parts.current.snapshot.overrides is NO_OVERRIDES


def test_a_disk_that_keeps_nothing_does_not_keep_overrides_from_counting(
    shop: Kit, tmp_path: Path
) -> None:
    (tmp_path / "overrides.msgpack").mkdir()
    decide(shop, "ban", "cream")
    assert ids(ask(shop)) == ["dates", "apple"]


def test_a_look_never_raises(shop: Kit) -> None:
    def burst() -> None:
        raise ZeroDivisionError

    decide(shop, "ban", "cream")
    for fault in (refuse, burst):
        shop.fail(fault)
        shop.parts.overrides.look()
    shop.fail(None)
    assert ids(ask(shop)) == ["dates", "apple"]
