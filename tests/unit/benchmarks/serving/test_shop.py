from __future__ import annotations

from contextlib import closing

import pytest

from benchmarks.serving.shop import AT, BLOCK, MODEL, SECRET, SIZE, SPARE, Shop, make_shop
from features.identity import CustomerKeys
from features.profile import Profile
from features.profile_codec import encode, history_digest
from features.stores.codec import items_digest
from features.stores.opening import open_stores
from serving.model.registry import LocalVersions
from serving.ranking.blocks import block_digest, load_blocks


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return make_shop(tmp_path_factory.mktemp("shop") / "home", 600, settled=5, changed=3)


def profiles(shop: Shop, names: list[str]) -> list[Profile]:
    keys = CustomerKeys(SECRET.encode())
    with closing(open_stores(f"sqlite:///{shop.home / 'profiles.db'}")) as stores:
        found = stores.profiles.get_many([keys.resolve(name) for name in names])
    return [found[keys.resolve(name)] for name in names]


def test_what_was_published_for_the_settled_is_current_and_for_the_changed_is_not(
    shop: Shop,
) -> None:
    block = load_blocks(shop.home / "blocks.toml")[BLOCK]
    with closing(open_stores(f"sqlite:///{shop.home / 'profiles.db'}")) as stores:
        catalogue = items_digest(stores.catalogue.all())
    settled, changed = profiles(shop, list(shop.settled)), profiles(shop, list(shop.changed))
    for profile in [*settled, *changed]:
        assert profile.published.catalogue == catalogue
        assert profile.published.blocks == {BLOCK: block_digest(block)}
        assert profile.published.slates[BLOCK].model == MODEL
        assert len(profile.history.interactions) == 50
        stands = profile.published.history == history_digest(encode(profile.history))
        assert stands == (profile in settled)


def test_stored_slates_show_what_the_block_may_show(shop: Shop) -> None:
    block = load_blocks(shop.home / "blocks.toml")[BLOCK]
    with closing(open_stores(f"sqlite:///{shop.home / 'profiles.db'}")) as stores:
        catalogue = {item.id: item for item in stores.catalogue.all()}
    assert any(not item.available_at(AT) for item in catalogue.values())
    for profile, slate in zip(profiles(shop, list(shop.settled)), shop.slates, strict=True):
        assert len(set(slate)) == len(slate) == SIZE * SPARE
        assert not set(slate) & profile.history.owned()
        for name in slate:
            item = catalogue[name]
            assert item.available_at(AT)
            assert set(item.categories) & set(block.categories)
            assert not set(item.categories) & set(block.exclude_categories)


def test_a_shop_that_is_there_is_taken_as_it_is(shop: Shop) -> None:
    assert make_shop(shop.home, 600, settled=5, changed=3) == shop
    assert shop.token.startswith("hk_")
    assert LocalVersions(shop.home).current() == "1"
    assert set(shop.settled) & set(shop.changed) == set()
