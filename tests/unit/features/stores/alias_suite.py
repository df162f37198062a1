"""What every profile store makes of aliases: run against each of them."""

from __future__ import annotations

from itertools import permutations

import pytest

from features.alias import Claim, Identified, identified_of
from features.event import Event
from features.ingest import histories
from features.profile import History, Profile, Published
from features.stores.halves import chunks
from features.stores.opening import Stores
from tests.unit.features.making import NOW, event, identify
from tests.unit.features.stores.profile_suite import ADA, BOB, CAT, PUBLISHED, bought

DAN = "ck_" + "d" * 32
TEA, POT, CUP = bought("tea", 10), bought("pot", 20), bought("cup", 30)


def fold(stores: Stores, *events: Event) -> None:
    stores.profiles.fold(histories(events), identified_of(events))


def is_whose(alias: str, customer: str, at: int) -> dict[str, Identified]:
    """What an `identify` at that time says of both."""
    return {alias: Identified(Claim(at, customer)), customer: Identified(since=at)}


def known(stores: Stores) -> dict[str, Profile]:
    return stores.profiles.get_many(stores.profiles.customers())


class AliasSuite:
    def test_what_an_alias_did_and_does_is_its_owners(self, stores: Stores) -> None:
        stores.profiles.fold({ADA: TEA, BOB: POT})
        stores.profiles.fold({}, is_whose(ADA, BOB, 1))
        assert known(stores) == {BOB: Profile(BOB, TEA.join(POT))}
        stores.profiles.fold({ADA: CUP})
        assert known(stores) == {BOB: Profile(BOB, TEA.join(POT).join(CUP))}
        assert stores.profiles.get(ADA) is None
        assert stores.profiles.count() == 1

    def test_who_did_nothing_yet_has_no_profile(self, stores: Stores) -> None:
        stores.profiles.fold({}, is_whose(ADA, BOB, 1))
        assert known(stores) == {}
        stores.profiles.fold({ADA: TEA})
        assert known(stores) == {BOB: Profile(BOB, TEA)}

    def test_history_and_link_may_come_at_once_and_again(self, stores: Stores) -> None:
        for _ in range(3):
            stores.profiles.fold({ADA: TEA, BOB: POT, CAT: CUP}, is_whose(ADA, BOB, 1))
        assert known(stores) == {BOB: Profile(BOB, TEA.join(POT)), CAT: Profile(CAT, CUP)}

    def test_what_was_published_of_an_alias_goes_and_does_not_come_back(
        self, stores: Stores
    ) -> None:
        stores.profiles.put_many([Profile(ADA, TEA, PUBLISHED), Profile(BOB, POT, PUBLISHED)])
        stores.profiles.fold({}, is_whose(ADA, BOB, 1))
        assert known(stores) == {BOB: Profile(BOB, TEA.join(POT), PUBLISHED)}
        stores.profiles.publish({ADA: PUBLISHED, BOB: Published(at=8), CAT: PUBLISHED})
        assert known(stores) == {
            BOB: Profile(BOB, TEA.join(POT), Published(at=8)),
            CAT: Profile(CAT, History(), PUBLISHED),
        }

    def test_of_a_chain_the_last_has_all(self, stores: Stores) -> None:
        stores.profiles.fold({ADA: TEA, BOB: POT, CAT: CUP}, is_whose(BOB, CAT, 1))
        stores.profiles.fold({}, is_whose(ADA, BOB, 2))
        assert known(stores) == {CAT: Profile(CAT, TEA.join(POT).join(CUP))}
        stores.profiles.fold({ADA: bought("jar", 40)})
        assert known(stores)[CAT].history == TEA.join(POT).join(CUP).join(bought("jar", 40))

    def test_an_earlier_link_that_comes_late_takes_the_alias_away(self, stores: Stores) -> None:
        stores.profiles.fold({ADA: TEA, BOB: POT, CAT: CUP, DAN: bought("jar", 5)})
        stores.profiles.fold({}, is_whose(DAN, ADA, 9))
        stores.profiles.fold({}, is_whose(ADA, BOB, 2))
        assert known(stores).keys() == {BOB, CAT}
        stores.profiles.fold({}, is_whose(ADA, CAT, 1))
        assert known(stores) == {
            BOB: Profile(BOB, POT),
            CAT: Profile(CAT, CUP.join(TEA).join(bought("jar", 5))),
        }

    def test_who_turns_out_to_be_a_customer_is_nobody_elses(self, stores: Stores) -> None:
        stores.profiles.fold({ADA: TEA, BOB: POT, DAN: CUP}, is_whose(ADA, BOB, 5))
        stores.profiles.fold({}, is_whose(DAN, ADA, 3))
        assert known(stores) == {ADA: Profile(ADA, TEA.join(CUP)), BOB: Profile(BOB, POT)}

    def test_one_who_owned_nothing_but_a_lost_alias_has_no_profile(self, stores: Stores) -> None:
        stores.profiles.fold({ADA: TEA}, is_whose(ADA, BOB, 2))
        stores.profiles.publish({BOB: PUBLISHED})
        stores.profiles.fold({}, is_whose(ADA, CAT, 1))
        assert known(stores) == {CAT: Profile(CAT, TEA)}

    @pytest.mark.parametrize("size", [1, 2, 4], ids="{} at a time".format)
    def test_whatever_order_events_come_in_the_profiles_are_the_same(
        self, stores: Stores, size: int
    ) -> None:
        told = [
            event("e-1", NOW, customer=ADA, item="tea"),
            identify("i-1", ADA, BOB, 2),
            identify("i-2", ADA, CAT, 1),
            identify("i-3", BOB, DAN, 0),
        ]
        expected = History().fold(told)
        for order in permutations(told):
            for key in (ADA, BOB, CAT, DAN):
                stores.profiles.delete(key)
            assert known(stores) == {}
            for some in chunks(order, size):
                fold(stores, *some)
            assert known(stores) == {CAT: Profile(CAT, expected)}

    def test_forgetting_a_customer_forgets_the_aliases(self, stores: Stores) -> None:
        stores.profiles.fold({ADA: TEA, BOB: POT, CAT: CUP}, is_whose(BOB, CAT, 1))
        stores.profiles.fold({}, is_whose(ADA, BOB, 2))
        stores.pins.pin(ADA, "mail", "hero", b"slate", 60)
        assert stores.profiles.delete(CAT)
        assert known(stores) == {}
        assert stores.pins.of_send(ADA, "mail") == {}
        assert not any(stores.profiles.delete(key) for key in (ADA, BOB, CAT))
        stores.profiles.fold({ADA: TEA})
        assert known(stores) == {ADA: Profile(ADA, TEA)}

    def test_forgetting_an_alias_leaves_its_owner_the_rest(self, stores: Stores) -> None:
        stores.profiles.fold({ADA: TEA, BOB: POT, CAT: CUP}, is_whose(BOB, CAT, 1))
        stores.profiles.fold({}, is_whose(ADA, BOB, 2))
        assert stores.profiles.delete(BOB)
        assert known(stores) == {CAT: Profile(CAT, CUP)}
        stores.profiles.fold({ADA: TEA, BOB: POT})
        assert known(stores).keys() == {ADA, BOB, CAT}
        stores.profiles.fold({}, is_whose(DAN, CAT, 9))
        assert known(stores)[CAT] == Profile(CAT, CUP)
