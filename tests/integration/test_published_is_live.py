"""What is published is what would be answered live just then, item by item, reason by reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from msgspec.structs import replace

from features.clock import Clock
from features.lake import Lake
from features.override import Override, parse_override
from features.profile import Exposure, Profile
from features.profile_codec import encode, exposed_digest, history_digest
from features.progress import silent
from features.stores.codec import items_digest
from features.stores.opening import open_stores
from serving.catalogue import make_copy
from serving.fallback import Question, choose, rank
from serving.model.bundle import Bundle
from serving.model.manifest import Say
from serving.model.scoring import open_scorer
from serving.ranking.blocks import Block, block_digest
from serving.slate import Because, Rung, because_of
from serving.snapshot import Current, LoadedModel, Snapshot
from tests.shop import Shop, make_shop
from tests.unit.training.home import clock_of, fill
from training.publish import Champions, Sources, deliver, prepare
from training.recommend import open_history
from training.recommenders.blend import Ingredient, blend_of
from training.recommenders.recipe import ALGORITHMS, Recipe, default_recipe
from training.settings import TrainingSettings
from training.span import span_of
from training.staging import Staging

NAME = "recommender/7"
SPARE = 3
PLAIN = Block(name="plain", size=4)
AGAIN = Block(name="again", size=3, allow_repeats=True, repeat_after_days=20.0)
RULED = Block(name="ruled", size=4, category_cap=1, brand_cap=2, diversity=0.6, price_spread=2.0)
TURNING = Block(name="turning", size=4, rotation_days=14.0)
BLOCKS = {block.name: block for block in (PLAIN, AGAIN, RULED, TURNING)}


class World(NamedTuple):
    """A shop, what was made of it, and when it is published."""

    shop: Shop
    settings: TrainingSettings
    clock: Clock
    bundles: dict[str, Bundle]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    shop = make_shop(40, days=100)
    settings = fill(tmp_path_factory.mktemp("world") / "home", shop)
    clock = clock_of(shop)
    clock.advance(timedelta(days=3, hours=5))  # so that now is not when history ends
    recipes: dict[str, Recipe] = {name: default_recipe(name) for name in ALGORITHMS}
    says = (("als", Say(0.7, 0.1)), ("transition", Say(0.4)), ("personal", Say(0.0, 0.2)))
    parts = [Ingredient(recipes[name], say, Say(0.3, 0.3)) for name, say in says]
    recipes["blend"] = blend_of([*parts, Ingredient(recipes["popularity"], Say(0.2))], 0.1)
    lake = Lake(settings.resolved_lake_path())
    span = span_of(lake, timedelta(days=7), clock)
    with open_history(lake, span, clock.now()) as history:
        return World(shop, settings, clock, history.fit_all(recipes, span.end, lambda *_: None))


def exposed(world: World) -> Iterator[Profile]:
    """Every customer, after two mails that showed every third item."""
    items = tuple(item.id for item in world.shop.items[::3])
    now = int(world.clock.now().timestamp())
    shown = tuple(Exposure(now - 3 + number, number, "plain", items) for number in (1, 2))
    for profile in world.shop.profiles():
        yield replace(profile, history=replace(profile.history, exposures=shown))


def published(
    world: World, bundle: Bundle, work: Path, overrides: Sequence[Override] = ()
) -> dict[str, Profile]:
    """Every customer's profile after a publish with this bundle; one is a stranger."""
    clock, stores = world.clock, open_stores("memory://", world.clock)
    stores.catalogue.put_many(world.shop.items)
    stores.catalogue.put_overrides(overrides, clock.now())
    stores.profiles.put_many(exposed(world))
    stores.profiles.put_many([Profile("ck_" + "f" * 32)])
    lake = Lake(world.settings.resolved_lake_path())
    sources = Sources(stores.profiles, stores.catalogue, lake, BLOCKS, 16, SPARE, clock.now())
    models = Champions(bundle, NAME)
    span = span_of(lake, timedelta(0), clock)
    staging, _ = Staging.open(work, sources.plan(models, span.end, span.lake_version))
    with silent("computing") as advance:
        prepare(sources, models, staging, advance)
        deliver(stores.profiles, stores.catalogue, staging, advance)
    return stores.profiles.get_many(stores.profiles.customers())


def live(world: World, bundle: Bundle) -> Snapshot:
    """What answers from the same bundle and catalogue."""
    current = Current(BLOCKS)
    current.use_model(LoadedModel("7", NAME, bundle, open_scorer(bundle)))
    current.use_catalogue(make_copy(1, world.shop.items, {}))
    return current.snapshot


def stored_picks(profile: Profile, block: str) -> list[tuple[str, Because | None]]:
    """The items of which a stored slate says that the model answers them."""
    slate = profile.published.slates[block]
    return [
        (item, None if said is None else because_of(said.type, said.item))
        for item, said in zip(slate.items, slate.spoken, strict=False)
    ]


@pytest.mark.parametrize("name", [*ALGORITHMS, "blend"])
def test_a_stored_slate_is_the_one_that_is_answered_live(
    name: str, world: World, tmp_path: Path
) -> None:
    bundle = world.bundles[name]
    profiles, snapshot = published(world, bundle, tmp_path), live(world, bundle)
    explained = 0
    for block in BLOCKS.values():
        for profile in profiles.values():
            question = Question(block, block.size, world.clock.now(), profile)
            # Alone, as a template asks; what is published was ranked beside others.
            answer = choose(snapshot, question, rank(snapshot, [question])[0])
            stored = stored_picks(profile, block.name)
            if answer.served_by is Rung.MODEL:
                assert [(p.item, p.because) for p in answer.picks] == stored[: block.size]
                explained += sum(pick.because is not None for pick in answer.picks)
            else:
                assert stored == []
    assert (explained > 0) is (name != "popularity")


def test_what_mails_showed_is_let_down_in_blocks_that_rotate(world: World, tmp_path: Path) -> None:
    profiles = published(world, world.bundles["als"], tmp_path)
    known = [profile for profile in profiles.values() if profile.history.exposures]
    again, rotated = (
        sum(
            item in profile.history.exposures[0].items
            for profile in known
            for item in profile.published.slates[block].items[:4]
        )
        for block in ("plain", "turning")
    )
    assert rotated < again / 2


def test_without_rules_spare_items_are_the_next_best_and_explained_too(
    world: World, tmp_path: Path
) -> None:
    bundle = world.bundles["blend"]
    profiles, snapshot = published(world, bundle, tmp_path), live(world, bundle)
    customer = min(world.shop.taste)
    stored = stored_picks(profiles[customer], "plain")
    assert len(stored) == PLAIN.size * SPARE
    shown = frozenset(item for item, _ in stored[:3])
    question = Question(PLAIN, PLAIN.size, world.clock.now(), profiles[customer], exclude=shown)
    answer = choose(snapshot, question, rank(snapshot, [question])[0])
    assert [(pick.item, pick.because) for pick in answer.picks] == stored[3:7]


def test_under_rules_spare_items_have_no_reason_and_come_behind(
    world: World, tmp_path: Path
) -> None:
    profiles = published(world, world.bundles["als"], tmp_path)
    slate = profiles[min(world.shop.taste)].published.slates["ruled"]
    assert len(slate.spoken) == RULED.size
    assert len(set(slate.items)) == len(slate.items) == RULED.size * SPARE


def test_what_a_slate_was_made_from_is_published_with_it(world: World, tmp_path: Path) -> None:
    profiles = published(world, world.bundles["popularity"], tmp_path)
    for customer, profile in profiles.items():
        kept, history = profile.published, encode(profile.history)
        assert kept.history == history_digest(history)
        assert kept.exposed == exposed_digest(history)
        assert (kept.history != 0) is (customer in world.shop.taste)
        assert kept.catalogue == items_digest(world.shop.items)
        assert kept.blocks == {name: block_digest(block) for name, block in BLOCKS.items()}


def test_what_is_banned_is_not_published_and_its_block_is_answered_live(
    world: World, tmp_path: Path
) -> None:
    bundle = world.bundles["als"]
    customer = min(world.shop.taste)
    before = published(world, bundle, tmp_path / "before")
    first = before[customer].published.slates["plain"]
    bans = [
        {"action": "ban", "item": first.items[1], "block": "plain"},
        {"action": "ban", "item": first.items[0], "block": "again", "segment": "no such segment"},
    ]
    overrides = [parse_override(ban, world.clock.now()) for ban in bans]
    after = published(world, bundle, tmp_path / "after", overrides)
    for key, profile in after.items():
        plain, was = profile.published.slates["plain"], before[key].published.slates["plain"]
        assert plain.items == tuple(item for item in was.items if item != first.items[1])
        assert profile.published.blocks.keys() == {"again", "ruled", "turning"}
        assert profile.published.slates["again"] == before[key].published.slates["again"]
    kept = after[customer].published.slates["plain"]
    assert kept.spoken == (first.spoken[0], *first.spoken[2:])
