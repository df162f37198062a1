"""The gate refuses every planted fault and names it, and lets honest better models through.

Bundles are spoilt behind honest metrics, so that it is the bundle itself in which the fault must be
seen: what will serve is never judged, and what was judged may be luck.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import pytest

from features.errors import BundleError
from serving.model.bundle import Bundle, load_bundle
from tests.integration.sabotage import (
    GOOD,
    KNN,
    NOW,
    POPULAR,
    WEAK,
    World,
    kept_rows,
    make_world,
    scaled,
    with_arrays,
    with_data,
    with_manifest,
)
from tests.unit.training.samples import table
from training.evaluate import EXPLORE, REPEAT, Evaluation
from training.gate.slices import slices_of
from training.metrics import Interval
from training.recommend import History
from training.reports import Verdict

DICE: Final = np.random.default_rng(11)
KEY: Final = "ck_" + "0123456789abcdef" * 2


@pytest.fixture(scope="module")
def world() -> World:
    return make_world()


def shuffled(bundle: Bundle) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return DICE.permutation(len(bundle.items))


def factors(bundle: Bundle) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.array(bundle.arrays["item_factors"])


def with_nan(bundle: Bundle) -> Bundle:
    spoilt = factors(bundle)
    spoilt[3, 1] = np.nan
    return with_arrays(bundle, item_factors=spoilt)


def with_popularity(bundle: Bundle, change: Callable[[Bundle], object]) -> Bundle:
    return with_arrays(bundle, popularity=np.asarray(change(bundle), np.float32))


def with_first(bundle: Bundle, value: float) -> Bundle:
    popularity = bundle.popularity.copy()
    popularity[0] = value
    return with_arrays(bundle, popularity=popularity)


def renamed(bundle: Bundle, name: Callable[[str], str]) -> Bundle:
    return replace(bundle, items=tuple(name(item) for item in bundle.items))


def popularity_clone(bundle: Bundle) -> Bundle:
    """One factor, which is popularity: every customer's vector is a positive number."""
    return with_arrays(bundle, item_factors=bundle.popularity[:, None] / bundle.popularity.max())


def of_another_version(bundle: Bundle) -> Bundle:
    """Factors of the same shape from a version whose items were in the order of popularity."""
    return with_arrays(bundle, item_factors=factors(bundle)[np.argsort(-bundle.popularity)])


def without_taste(bundle: Bundle, taste: str) -> Bundle:
    return kept_rows(
        bundle, np.array([n for n, item in enumerate(bundle.items) if not item.startswith(taste)])
    )


BUNDLES: Final[dict[str, tuple[Callable[[Bundle], Bundle], str]]] = {
    "NaN factors": (with_nan, "sound"),
    "infinite popularity": (lambda b: with_first(b, np.inf), "sound"),
    "a missing array": (lambda b: with_arrays(b, item_factors=None), "sound"),
    "an array one item short": (lambda b: with_arrays(b, item_factors=factors(b)[1:]), "sound"),
    "factors on the wrong axis": (lambda b: with_arrays(b, item_factors=factors(b).T), "sound"),
    "another number type": (
        lambda b: with_arrays(b, item_factors=factors(b).astype(np.float64)),
        "sound",
    ),
    "two rows of one item": (lambda b: replace(b, items=(b.items[1], *b.items[1:])), "sound"),
    "an unknown algorithm": (lambda b: with_manifest(b, algorithm="oracle"), "sound"),
    "a size beyond every scorer": (
        lambda b: with_arrays(b, spare=np.broadcast_to(np.float32(0), (1 << 29, 3))),
        "size",
    ),
    "popularity of one item": (lambda b: with_first(b, 1e9), "popularity"),
    "popularity the same for all": (
        lambda b: with_popularity(b, lambda b: np.ones(len(b.items))),
        "popularity",
    ),
    "negative popularity": (lambda b: with_first(b, -1.0), "popularity"),
    "a popularity clone": (popularity_clone, "personal"),
    "constant scores": (lambda b: with_arrays(b, item_factors=factors(b) * 0), "recalls"),
    "factors of shuffled rows": (
        lambda b: with_arrays(b, item_factors=factors(b)[shuffled(b)]),
        "recalls",
    ),
    "factors of another version": (of_another_version, "learnt"),
    "noise for factors": (
        lambda b: with_arrays(b, item_factors=DICE.normal(size=(48, 8)).astype(np.float32)),
        "recalls",
    ),
    "ids permuted": (
        lambda b: replace(b, items=tuple(b.items[n] for n in shuffled(b))),
        "id map",
    ),
    "half the items lost": (lambda b: kept_rows(b, np.arange(0, 48, 2)), "items"),
    "one category lost": (lambda b: without_taste(b, "tea"), "categories"),
    "ids of another catalogue": (lambda b: renamed(b, "sku-{}".format), "catalogue"),
    "a customer's key for an item": (
        lambda b: renamed(b, lambda item: KEY if item == "tea-0" else item),
        "no customers",
    ),
    "a customer's key in the parameters": (
        lambda b: with_manifest(b, params={**b.manifest.params, "tuned_on": KEY}),
        "no customers",
    ),
    "a vector for each customer": (
        lambda b: with_arrays(
            b, customer_factors=np.zeros((b.manifest.data.customers, 8), np.float32)
        ),
        "no customers",
    ),
    "a manifest edited": (lambda b: with_data(b, customers=1_000_000), "facts"),
    "a checksum of other data": (lambda b: with_data(b, checksum="0" * 64), "facts"),
    "data of tomorrow": (
        lambda b: with_data(b, as_of=b.manifest.data.as_of + timedelta(days=40)),
        "leak",
    ),
}
"""Fault → how a bundle gets it, and the check that must name it."""


def failed(verdict: Verdict) -> set[str]:
    return {one.name for one in verdict.checks if not one.passed}


@pytest.mark.parametrize("fault", BUNDLES)
@pytest.mark.parametrize("which", ["twin", "final"])
def test_a_spoilt_bundle_is_refused_however_good_it_measured(
    world: World, which: str, fault: str
) -> None:
    spoil, check = BUNDLES[fault]
    if which == "twin":
        verdict = world.with_twin(spoil(world.twin))
    else:
        verdict = world.verdict(final=spoil(world.final))
    assert not verdict.passed
    assert f"{which}: {check}" in failed(verdict)
    assert verdict.reason.startswith(f"{which}: ")


def test_what_serves_must_be_of_the_recipe_that_was_judged(world: World) -> None:
    span = world.history.span
    others = {
        "fewer factors": with_arrays(world.final, item_factors=factors(world.final)[:, :4]),
        "other parameters": world.history.fit(WEAK, span.end),
        "another algorithm": world.history.fit(KNN, span.end),
    }
    for fault, final in others.items():
        assert "final: twins" in failed(world.verdict(final=final)), fault


def test_what_was_fitted_on_held_out_time_is_found_although_it_says_otherwise(
    world: World,
) -> None:
    honest = world.twin.manifest.data
    leaked = world.history.fit(GOOD, world.history.span.end)
    assert "twin: leak" in failed(world.with_twin(leaked))
    hidden = with_data(leaked, as_of=honest.as_of)
    assert "twin: facts" in failed(world.with_twin(hidden))


def test_an_item_of_held_out_time_is_a_leak_whatever_the_manifest_says(world: World) -> None:
    span = world.history.span
    events = [
        e
        if e.item != "tea-1" or e.occurred_at < span.cutoff
        else msgspec.structs.replace(e, item="brand-new")
        for e in world.events
    ]
    later = History(table(events), world.history.catalogue or {}, span, NOW)
    twin = replace(later.fit(GOOD, span.end), manifest=world.twin.manifest)
    twin = with_manifest(twin, items=len(twin.items))
    checks = replace(world, history=later).with_twin(twin).checks
    [leak] = [one for one in checks if one.name == "twin: leak"]
    assert not leak.passed
    assert "like brand-new" in leak.reason


def test_a_history_that_shrank_since_the_champion_is_refused(world: World) -> None:
    champion = world.judged.champion
    assert champion is not None
    richer = with_data(champion, customers=2 * champion.manifest.data.customers)
    verdict = world.verdict(replace(world.judged, champion=richer))
    assert failed(verdict) == {"twin: shrunk", "final: shrunk"}


def shuffled_labels(world: World, at: datetime) -> Bundle:
    """Fitted on baskets whose items were dealt out anew."""
    data = world.history.dataset(at)
    dealt = replace(data.baskets, rows=DICE.permutation(data.baskets.rows), _weighed={})
    return GOOD.fit(replace(data, baskets=dealt), NOW)


def test_labels_that_were_shuffled_teach_nothing(world: World) -> None:
    span = world.history.span
    twin = shuffled_labels(world, span.fit_until)
    assert {"better", "twin: learnt"} <= failed(world.contest(GOOD, world.judged.champion, twin))
    final = world.verdict(final=shuffled_labels(world, span.end))
    assert failed(final) == {"final: learnt"}


def test_scores_of_the_wrong_sign_are_refused(world: World) -> None:
    twin = world.history.fit(KNN, world.history.span.fit_until)
    name = next(name for name in twin.arrays if "similarit" in name or "weight" in name)
    turned = with_arrays(twin, **{name: -twin.arrays[name]})
    assert {"better", "twin: recalls"} <= failed(world.contest(KNN, world.twin, turned))


def test_no_better_than_the_champion_is_not_enough(world: World) -> None:
    assert failed(world.contest(GOOD, world.twin)) == {"better"}
    assert "better" in failed(world.contest(WEAK, world.twin))
    assert "better" in failed(world.contest(POPULAR, None))


def of_slice(world: World, name: str) -> Callable[[Evaluation], Evaluation]:
    """Loses most of what it finds for the customers of one slice."""
    asked = world.judged.answers[world.judged.chosen][EXPLORE].customers
    places = np.flatnonzero(np.isin(world.judged.held_out.customers, asked))
    mask = slices_of(world.judged.held_out.picked(places), world.history.catalogue)[name]
    return lambda evaluation: scaled(evaluation, np.where(mask, 0.1, 1.0))


@pytest.mark.parametrize(
    "name", ["new", "light", "heavy", "segment loyal", "segment regular", "category tea"]
)
def test_nobody_may_be_left_behind(world: World, name: str) -> None:
    verdict = world.with_answers(EXPLORE, of_slice(world, name))
    assert f"slice {name}" in failed(verdict)


def test_what_is_bought_again_may_not_be_lost(world: World) -> None:
    verdict = world.with_answers(REPEAT, lambda evaluation: scaled(evaluation, 0.3))
    assert failed(verdict) == {"question repeat"}


def test_a_retreat_to_bestsellers_is_refused(world: World) -> None:
    def narrow(evaluation: Evaluation) -> Evaluation:
        share = Interval(0.4, 0.4, 0.4)
        return replace(evaluation, summary={**evaluation.summary, "coverage_20": share})

    assert failed(world.with_answers(EXPLORE, narrow)) == {"coverage"}


def test_too_good_to_be_true_is_not_true(world: World) -> None:
    verdict = world.with_answers(EXPLORE, lambda evaluation: scaled(evaluation, 2.0))
    assert failed(verdict) == {"believable"}


def test_what_was_not_measured_is_not_promoted(world: World) -> None:
    assert "better" in failed(world.with_answers(EXPLORE, lambda one: scaled(one, np.nan)))


def test_files_that_were_damaged_or_edited_are_not_even_read(world: World, tmp_path: Path) -> None:
    world.final.save(tmp_path / "bundle")
    array = tmp_path / "bundle" / "item_factors.npy"
    whole = array.read_bytes()
    for spoilt in (whole[:-1], whole[:-1] + b"!", b""):
        array.write_bytes(spoilt)
        with pytest.raises(BundleError, match="item_factors"):
            load_bundle(tmp_path / "bundle")
    array.write_bytes(whole)
    manifest = tmp_path / "bundle" / "manifest.json"
    manifest.write_text(manifest.read_text().replace("item_factors.npy", "../item_factors.npy"))
    with pytest.raises(BundleError, match=r"\.\./item_factors"):
        load_bundle(tmp_path / "bundle")


HONEST: Final[dict[str, Callable[[World], Verdict]]] = {
    "more factors": lambda w: w.verdict(),
    "the first model of all": lambda w: w.contest(GOOD, None),
    "item-kNN against a champion of popularity": lambda w: w.contest(
        KNN, w.history.fit(POPULAR, w.history.span.fit_until)
    ),
    "another algorithm than the champion's": lambda w: w.contest(KNN, w.judged.champion),
    "more history": lambda w: w.contest(
        GOOD, w.history.fit(GOOD, w.history.span.first + timedelta(days=12))
    ),
}


@pytest.mark.parametrize("change", HONEST)
def test_an_honest_better_model_is_let_through(world: World, change: str) -> None:
    verdict = HONEST[change](world)
    assert failed(verdict) == set()
    assert verdict.passed
    assert verdict.low > 0
    assert " beats " in verdict.reason
