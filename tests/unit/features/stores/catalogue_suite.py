"""What every catalogue does: run against each of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from features.errors import TooLarge
from features.item import Item
from features.override import MAX_OVERRIDES, Action, Override
from features.stores.opening import Stores

TEA = Item(
    id="tea",
    title="Tea, green",
    url="https://shop.example/tea",
    price=3.5,
    currency="GBP",
    categories=("food", "drinks"),
    available_until=datetime(2027, 1, 1, tzinfo=UTC),
    attributes={"origin": "Assam"},
)
POT = Item(id="pot", title="Pot", in_stock=False)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NIGHT = NOON + timedelta(hours=12)
BAN = Override(
    id="no-tea", action=Action.BAN, item="tea", created_at=NOON, ends_at=NIGHT, note="recalled"
)
PIN = Override(
    id="pot-first", action=Action.PIN, item="pot", created_at=NOON, block="hero", position=1
)
BOOST = Override(
    id="cups", action=Action.BOOST, item="cup", created_at=NOON, segment="loyal", strength=0.5
)


class CatalogueSuite:
    def test_items_come_back_as_they_went_in(self, stores: Stores) -> None:
        assert stores.catalogue.put_many(iter([TEA, POT])) == 2
        assert stores.catalogue.get_many(["tea", "pot", "cup"]) == {"tea": TEA, "pot": POT}
        assert stores.catalogue.get_many([]) == {}
        assert stores.catalogue.count() == 2

    def test_an_item_is_replaced_whole_and_the_last_of_one_call_counts(
        self, stores: Stores
    ) -> None:
        stores.catalogue.put_many([TEA])
        new = Item(id="tea", title="Tea, black")
        assert stores.catalogue.put_many([POT, TEA, new]) == 2
        assert stores.catalogue.get_many(["tea"]) == {"tea": new}

    def test_all_items_come_in_the_order_of_their_ids(self, stores: Stores) -> None:
        ids = [f"item-{number:04}" for number in range(2_100)]
        assert list(stores.catalogue.all()) == []
        stores.catalogue.put_many(Item(id=name, title=name) for name in reversed(ids))
        assert [item.id for item in stores.catalogue.all()] == ids

    def test_unicode_ids_are_ids(self, stores: Stores) -> None:
        cup = Item(id="tasse № 5 – „blau“ ☕", title="Tasse")
        stores.catalogue.put_many([cup])
        assert stores.catalogue.get_many([cup.id]) == {cup.id: cup}

    def test_shelves_are_replaced_by_name(self, stores: Stores) -> None:
        assert stores.catalogue.shelves() == {}
        stores.catalogue.put_shelves({"popular": ["tea", "pot"], "segment:new": ["cup"]})
        stores.catalogue.put_shelves({"popular": ("pot",)})
        assert stores.catalogue.shelves() == {"popular": ("pot",), "segment:new": ("cup",)}

    def test_the_version_changes_with_every_change_and_only_then(self, stores: Stores) -> None:
        versions = [stores.catalogue.version()]
        stores.catalogue.put_many([TEA])
        versions.append(stores.catalogue.version())
        stores.catalogue.put_many([TEA])
        versions.append(stores.catalogue.version())
        stores.catalogue.put_shelves({"popular": ["tea"]})
        versions.append(stores.catalogue.version())
        assert len(set(versions)) == 4
        stores.catalogue.put_many([])
        stores.catalogue.put_shelves({})
        stores.catalogue.get_many(["tea"])
        assert stores.catalogue.version() == versions[-1]

    def test_overrides_come_back_as_they_went_in_by_their_ids(self, stores: Stores) -> None:
        assert stores.catalogue.overrides().overrides == ()
        stores.catalogue.put_overrides([PIN, BAN], NOON)
        stores.catalogue.put_overrides([BOOST], NOON)
        assert stores.catalogue.overrides().overrides == (BOOST, BAN, PIN)

    def test_an_override_of_the_same_id_is_replaced(self, stores: Stores) -> None:
        stores.catalogue.put_overrides([PIN], NOON)
        new = Override(id=PIN.id, action=Action.BAN, item="pot", created_at=NIGHT)
        stores.catalogue.put_overrides([new], NOON)
        assert stores.catalogue.overrides().overrides == (new,)

    def test_putting_an_override_again_changes_nothing_of_it(self, stores: Stores) -> None:
        stores.catalogue.put_overrides([PIN], NOON)
        again = msgspec.structs.replace(PIN, created_at=NIGHT)
        stores.catalogue.put_overrides([again], NIGHT)
        assert stores.catalogue.overrides().overrides == (PIN,)

    def test_overrides_that_have_ended_are_swept_when_others_are_put(self, stores: Stores) -> None:
        stores.catalogue.put_overrides([BAN, PIN], NOON)
        stores.catalogue.put_overrides([BOOST], NIGHT)
        assert stores.catalogue.overrides().overrides == (BOOST, PIN)

    def test_dropped_overrides_are_gone_and_counted(self, stores: Stores) -> None:
        stores.catalogue.put_overrides([BAN, PIN, BOOST], NOON)
        assert stores.catalogue.drop_overrides(["no-tea", "cups", "unknown"]) == 2
        assert stores.catalogue.drop_overrides(["no-tea"]) == 0
        assert stores.catalogue.overrides().overrides == (PIN,)

    def test_more_overrides_than_the_limit_are_refused_and_none_is_kept(
        self, stores: Stores
    ) -> None:
        many = [msgspec.structs.replace(PIN, id=f"pin-{n}") for n in range(MAX_OVERRIDES)]
        stores.catalogue.put_overrides(many, NOON)
        with pytest.raises(TooLarge, match=r"1001 overrides.*drop some"):
            stores.catalogue.put_overrides([PIN], NOON)
        assert len(stores.catalogue.overrides().overrides) == MAX_OVERRIDES

    def test_overrides_have_a_version_of_their_own(self, stores: Stores) -> None:
        items = stores.catalogue.version()
        versions = [stores.catalogue.overrides_version()]
        stores.catalogue.put_overrides([PIN, BAN], NOON)
        versions.append(stores.catalogue.overrides_version())
        stores.catalogue.drop_overrides([PIN.id])
        versions.append(stores.catalogue.overrides_version())
        assert len(set(versions)) == 3
        assert stores.catalogue.overrides() == (versions[-1], (BAN,))
        assert stores.catalogue.version() == items
        stores.catalogue.put_many([TEA])
        stores.catalogue.drop_overrides(["unknown"])
        assert stores.catalogue.overrides_version() == versions[-1]

    def test_threads_that_put_overrides_at_once_lose_none(self, stores: Stores) -> None:
        def put(number: int) -> None:
            for step in range(5):
                new = msgspec.structs.replace(PIN, id=f"pin-{number}-{step}")
                stores.catalogue.put_overrides([new], NOON)

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(put, range(4)))
        assert len(stores.catalogue.overrides().overrides) == 20
