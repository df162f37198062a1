"""What every catalogue does: run against each of them."""

from __future__ import annotations

from datetime import UTC, datetime

from features.item import Item
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
