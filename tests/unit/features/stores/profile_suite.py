"""What every profile store and every pin board does: run against each of them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from features.errors import StoreUnavailable
from features.event import EventType
from features.profile import History, Interaction, Profile, Published, StoredSlate
from features.profile_codec import encode
from features.stores.halves import read_seen
from features.stores.opening import Stores
from features.stores.ports import Asked, NewPin, Seen

ADA = "ck_" + "a" * 32
BOB = "ck_" + "b" * 32
CAT = "ck_" + "c" * 32

Wait = Callable[[float], None]
"""Lets so many seconds pass."""


def bought(item: str, at: int) -> History:
    interaction = Interaction(at, at * 31, item, EventType.PURCHASE)
    return History((interaction,), {item: at}, {}, {EventType.PURCHASE: at})


PUBLISHED = Published(
    at=7,
    segment="loyal",
    features={"recency_days": 3.5},
    scores={"churn": 0.25},
    bands={"churn": "low"},
    slates={"hero": StoredSlate(("tea", "pot"), "recommender/1")},
    models={"recommender": "1"},
)


class ProfileStoreSuite:
    def test_an_unknown_customer_has_no_profile(self, stores: Stores) -> None:
        assert stores.profiles.get(ADA) is None
        assert stores.profiles.get_many([ADA, BOB]) == {}
        assert stores.profiles.get_many([]) == {}

    def test_what_was_folded_comes_back_and_nothing_is_published(self, stores: Stores) -> None:
        stores.profiles.fold({ADA: bought("tea", 10)})
        assert stores.profiles.get(ADA) == Profile(ADA, bought("tea", 10))

    def test_folding_joins_and_folding_again_changes_nothing(self, stores: Stores) -> None:
        stores.profiles.fold({ADA: bought("tea", 10)})
        for _ in range(2):
            stores.profiles.fold({ADA: bought("pot", 20), BOB: bought("cup", 30)})
        profiles = stores.profiles.get_many([ADA, BOB, CAT])
        assert profiles == {
            ADA: Profile(ADA, bought("tea", 10).join(bought("pot", 20))),
            BOB: Profile(BOB, bought("cup", 30)),
        }

    def test_folding_nothing_changes_nothing(self, stores: Stores) -> None:
        stores.profiles.fold({})
        assert stores.profiles.count() == 0

    def test_publishing_leaves_the_history_and_folding_leaves_the_published(
        self, stores: Stores
    ) -> None:
        stores.profiles.fold({ADA: bought("tea", 10)})
        stores.profiles.publish({ADA: PUBLISHED, BOB: PUBLISHED})
        stores.profiles.fold({BOB: bought("cup", 30)})
        assert stores.profiles.get(ADA) == Profile(ADA, bought("tea", 10), PUBLISHED)
        assert stores.profiles.get(BOB) == Profile(BOB, bought("cup", 30), PUBLISHED)
        stores.profiles.publish({ADA: Published(at=8)})
        assert stores.profiles.get(ADA) == Profile(ADA, bought("tea", 10), Published(at=8))

    def test_bulk_replaces_whole_profiles_and_says_how_many(self, stores: Stores) -> None:
        stores.profiles.fold({ADA: bought("tea", 10)})
        stores.profiles.publish({ADA: PUBLISHED})
        profiles = [Profile(ADA, bought("pot", 20)), Profile(BOB, History(), PUBLISHED)]
        assert stores.profiles.put_many(iter(profiles)) == 2
        assert stores.profiles.get_many([ADA, BOB]) == {ADA: profiles[0], BOB: profiles[1]}

    def test_bulk_is_not_bound_to_one_batch(self, stores: Stores) -> None:
        keys = [f"ck_{number:032x}" for number in range(2_500)]
        assert stores.profiles.put_many(Profile(key, bought("tea", 1)) for key in keys) == 2_500
        stores.profiles.publish(dict.fromkeys(keys, PUBLISHED))
        assert stores.profiles.count() == 2_500
        found = stores.profiles.get_many(keys)
        assert list(found.values()) == [Profile(key, bought("tea", 1), PUBLISHED) for key in keys]

    def test_customers_come_in_order_page_by_page(self, stores: Stores) -> None:
        stores.profiles.fold({CAT: bought("tea", 1), ADA: bought("tea", 1)})
        stores.profiles.publish({BOB: PUBLISHED})
        assert stores.profiles.customers() == [ADA, BOB, CAT]
        assert stores.profiles.customers(limit=2) == [ADA, BOB]
        assert stores.profiles.customers(after=ADA, limit=1) == [BOB]
        assert stores.profiles.customers(after=CAT) == []

    def test_a_forgotten_customer_is_gone_with_pins(self, stores: Stores) -> None:
        stores.profiles.fold({ADA: bought("tea", 10), BOB: bought("tea", 10)})
        stores.profiles.publish({ADA: PUBLISHED})
        for customer in (ADA, BOB):
            stores.pins.pin(customer, "mail-1", "hero", b"slate", 60)
            stores.pins.pin(customer, "mail-2", "hero", b"slate", 60)
        assert stores.profiles.delete(ADA)
        assert stores.profiles.get(ADA) is None
        assert stores.profiles.customers() == [BOB]
        assert stores.pins.of_send(ADA, "mail-1") == stores.pins.of_send(ADA, "mail-2") == {}
        assert stores.pins.of_send(BOB, "mail-1") == {"hero": b"slate"}
        assert not stores.profiles.delete(ADA)

    def test_forgetting_one_who_has_only_a_pin_is_forgetting(self, stores: Stores) -> None:
        stores.pins.pin(ADA, "mail-1", "hero", b"slate", 60)
        assert stores.profiles.delete(ADA)

    def test_threads_that_fold_at_once_lose_nothing(self, stores: Stores) -> None:
        def fold(number: int) -> None:
            for step in range(8):
                item = f"item-{number}-{step}"
                stores.profiles.fold({ADA: bought(item, number), BOB: bought(item, number)})

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(fold, range(1, 5)))
        found = stores.profiles.get_many([ADA, BOB])
        assert [len(found[key].history.bought) for key in (ADA, BOB)] == [32, 32]

    def test_a_store_that_answers_says_nothing(self, stores: Stores) -> None:
        stores.profiles.ping()

    def test_a_closed_store_declares_it_and_names_the_cure(self, stores: Stores) -> None:
        stores.profiles.fold({ADA: bought("tea", 10)})
        stores.close()
        stores.close()
        calls: list[Callable[[], object]] = [
            stores.profiles.ping,
            stores.profiles.count,
            stores.profiles.customers,
            lambda: stores.profiles.get(ADA),
            lambda: stores.profiles.get_many([ADA]),
            lambda: stores.profiles.fold({ADA: bought("tea", 10)}),
            lambda: stores.profiles.publish({ADA: PUBLISHED}),
            lambda: stores.profiles.put_many([Profile(ADA)]),
            lambda: stores.profiles.delete(ADA),
            lambda: stores.pins.of_send(ADA, "mail"),
            lambda: stores.pins.pin(ADA, "mail", "hero", b"", 60),
            lambda: stores.lookup.look([Asked(ADA, None)]),
            lambda: stores.lookup.look([Asked(ADA, "mail"), Asked(BOB, "mail")]),
            stores.catalogue.version,
            stores.catalogue.overrides,
            stores.catalogue.overrides_version,
            lambda: stores.catalogue.drop_overrides(["one"]),
            lambda: list(stores.catalogue.all()),
        ]
        for call in calls:
            with pytest.raises(StoreUnavailable, match=r"closed.*open it again"):
                call()


class PinsSuite:
    def test_the_first_slate_stays(self, stores: Stores) -> None:
        assert stores.pins.pin(ADA, "mail", "hero", b"one", 60) == b"one"
        assert stores.pins.pin(ADA, "mail", "hero", b"two", 60) == b"one"
        assert stores.pins.of_send(ADA, "mail") == {"hero": b"one"}

    def test_blocks_sends_and_customers_have_pins_of_their_own(self, stores: Stores) -> None:
        stores.pins.pin(ADA, "mail", "hero", b"1", 60)
        stores.pins.pin(ADA, "mail", "cross_sell", b"2", 60)
        stores.pins.pin(ADA, "letter:1", "hero", b"3", 60)
        stores.pins.pin(BOB, "mail", "hero", b"4", 60)
        assert stores.pins.of_send(ADA, "mail") == {"hero": b"1", "cross_sell": b"2"}
        assert stores.pins.of_send(ADA, "letter:1") == {"hero": b"3"}
        assert stores.pins.of_send(BOB, "mail") == {"hero": b"4"}
        assert stores.pins.of_send(CAT, "mail") == {}

    def test_any_bytes_and_any_names_can_be_pinned(self, stores: Stores) -> None:
        slate = bytes(range(256))
        assert stores.pins.pin(ADA, "café:№ 1", "blöck", slate, 60) == slate
        assert stores.pins.of_send(ADA, "café:№ 1") == {"blöck": slate}

    def test_a_pin_expires_and_another_may_follow(self, stores: Stores, wait: Wait) -> None:
        stores.pins.pin(ADA, "mail", "hero", b"one", 1)
        stores.pins.pin(ADA, "mail", "cross_sell", b"stays", 60)
        wait(1.1)
        assert stores.pins.of_send(ADA, "mail") == {"cross_sell": b"stays"}
        assert stores.pins.pin(ADA, "mail", "hero", b"two", 60) == b"two"
        assert stores.pins.of_send(ADA, "mail") == {"cross_sell": b"stays", "hero": b"two"}

    def test_of_those_who_pin_at_once_all_get_the_same(self, stores: Stores) -> None:
        def pin(number: int) -> bytes:
            return stores.pins.pin(ADA, "mail", "hero", b"%d" % number, 60)

        with ThreadPoolExecutor(8) as threads:
            assert len(set(threads.map(pin, range(32)))) == 1

    def test_many_are_pinned_at_once_and_the_first_of_each_place_stays(
        self, stores: Stores
    ) -> None:
        assert stores.pins.pin_many([]) == []
        stores.pins.pin(ADA, "mail", "hero", b"before", 60)
        new = [
            NewPin(ADA, "mail", "hero", b"1", 60),
            NewPin(ADA, "mail", "footer", b"2", 60),
            NewPin(BOB, "mail", "hero", b"3", 60),
            NewPin(BOB, "mail", "hero", b"4", 60),
        ]
        assert stores.pins.pin_many(new) == [b"before", b"2", b"3", b"3"]
        assert stores.pins.of_send(ADA, "mail") == {"hero": b"before", "footer": b"2"}
        assert stores.pins.of_send(BOB, "mail") == {"hero": b"3"}
        assert stores.profiles.delete(BOB)
        assert stores.pins.of_send(BOB, "mail") == {}

    def test_each_of_many_expires_by_itself(self, stores: Stores, wait: Wait) -> None:
        new = [NewPin(ADA, "mail", "hero", b"1", 1), NewPin(ADA, "mail", "footer", b"2", 60)]
        stores.pins.pin_many(new)
        wait(1.1)
        again = [pin._replace(slate=b"new", seconds=60) for pin in new]
        assert stores.pins.pin_many(again) == [b"new", b"2"]

    def test_of_those_who_pin_many_at_once_all_get_the_same(self, stores: Stores) -> None:
        def pin(number: int) -> tuple[bytes, ...]:
            slate = b"%d" % number
            places = [(key, block) for key in (ADA, BOB, CAT) for block in ("hero", "footer")]
            ordered = places if number % 2 else places[::-1]
            new = [NewPin(key, "mail", block, slate, 60) for key, block in ordered]
            found = dict(zip(ordered, stores.pins.pin_many(new), strict=True))
            return tuple(found[place] for place in places)

        with ThreadPoolExecutor(8) as threads:
            assert len(set(threads.map(pin, range(32)))) == 1


class LookupSuite:
    def test_nobody_asks_and_nothing_is_seen(self, stores: Stores) -> None:
        assert stores.lookup.look([]) == []

    @pytest.mark.parametrize("others", [0, 3], ids=["alone", "with others"])
    def test_halves_and_pins_are_seen_as_they_are_kept(self, stores: Stores, others: int) -> None:
        history = bought("tea", 10)
        stores.profiles.put_many([Profile(ADA, history, PUBLISHED)])
        stores.pins.pin(ADA, "mail", "hero", b"slate", 60)
        stores.pins.pin(ADA, "mail", "blöck", bytes(range(256)), 60)
        stores.pins.pin(ADA, "letter", "hero", b"another", 60)
        pins = {"hero": b"slate", "blöck": bytes(range(256))}
        seen = Seen(encode(history), encode(PUBLISHED), pins)
        assert stores.lookup.look([Asked(ADA, "mail")] * (1 + others)) == [seen] * (1 + others)
        assert read_seen(ADA, seen) == Profile(ADA, history, PUBLISHED)

    def test_one_who_is_not_known_is_seen_as_nothing(self, stores: Stores) -> None:
        stores.profiles.fold({ADA: bought("tea", 10)})
        stores.profiles.publish({BOB: PUBLISHED})
        nothing = Seen(None, None, {})
        assert stores.lookup.look([Asked(CAT, "mail")]) == [nothing]
        assert read_seen(CAT, nothing) is None
        assert stores.lookup.look([Asked(CAT, None)]) == [nothing]
        seen = stores.lookup.look([Asked(key, None) for key in (CAT, BOB, ADA)])
        assert seen == [
            nothing,
            Seen(None, encode(PUBLISHED), {}),
            Seen(encode(bought("tea", 10)), None, {}),
        ]
        assert read_seen(BOB, seen[1]) == Profile(BOB, History(), PUBLISHED)

    def test_each_sees_the_pins_of_the_send_that_was_asked(self, stores: Stores) -> None:
        for key, send in ((ADA, "mail"), (ADA, "café:№ 1"), (BOB, "mail")):
            stores.pins.pin(key, send, "hero", f"{key} {send}".encode(), 60)
        asked = [
            Asked(ADA, "café:№ 1"),
            Asked(ADA, None),
            Asked(BOB, "mail"),
            Asked(ADA, "mail"),
            Asked(BOB, "letter"),
        ]
        assert [seen.pins for seen in stores.lookup.look(asked)] == [
            {"hero": f"{ADA} café:№ 1".encode()},
            {},
            {"hero": f"{BOB} mail".encode()},
            {"hero": f"{ADA} mail".encode()},
            {},
        ]

    def test_an_expired_pin_is_not_seen(self, stores: Stores, wait: Wait) -> None:
        stores.pins.pin(ADA, "mail", "hero", b"one", 1)
        stores.pins.pin(ADA, "mail", "footer", b"stays", 60)
        wait(1.1)
        for asked in ([Asked(ADA, "mail")], [Asked(ADA, "mail"), Asked(BOB, "mail")]):
            assert stores.lookup.look(asked)[0].pins == {"footer": b"stays"}

    def test_bytes_that_cannot_be_read_are_the_callers_business(self) -> None:
        with pytest.raises(StoreUnavailable, match=rf"the profile of {ADA} can't be read.*delete"):
            read_seen(ADA, Seen(b"\xff", None, {}))
