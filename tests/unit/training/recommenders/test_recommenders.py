from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from scipy.sparse import csr_array, csr_matrix

from features.errors import BundleError
from features.event import Event, EventType
from features.profile import history_of
from serving.model.basket import baskets_of
from serving.model.bundle import Bundle, load_bundle
from serving.model.linear import IN, OUT, LinearScorer
from serving.model.manifest import Say
from serving.model.scoring import open_scorer
from serving.model.shares import reasons
from serving.model.weighting import Weighting
from serving.ranking.blocks import Block
from serving.ranking.chain import Ask, slate_rows
from serving.ranking.view import item_view
from tests.unit.training.samples import (
    AT,
    SIZE,
    WEIGHTING,
    checkerboard,
    checkerboard_dataset,
    checkerboard_held_out,
    key,
    outside_id,
    purchase,
    table,
)
from training.dataset import Dataset, dataset_of, load_dataset
from training.recommenders import (
    als,
    ease,
    graph_filter,
    item_knn,
    personal,
    popularity,
    transition,
)
from training.recommenders.blend import Ingredient, blend_of, recipes_of
from training.recommenders.recipe import Recipe, default_recipe, recipe_of

Fit = Callable[[Dataset], Bundle]
FITS: dict[str, Fit] = {
    "popularity": lambda data: popularity.fit(data, popularity.PopularityParams(), AT),
    "item_knn": lambda data: item_knn.fit(data, item_knn.ItemKnnParams(shrink=1.0), AT),
    "tfidf": lambda data: item_knn.fit(
        data, item_knn.ItemKnnParams(scheme="tfidf", shrink=1.0), AT
    ),
    "bm25": lambda data: item_knn.fit(data, item_knn.ItemKnnParams(scheme="bm25", shrink=1.0), AT),
    "personal": lambda data: personal.fit(data, personal.PersonalParams(), AT),
    "ease": lambda data: ease.fit(data, ease.EaseParams(neighbours=None), AT),
    "ease of the nearest": lambda data: ease.fit(data, ease.EaseParams(neighbours=4), AT),
    "graph_filter": lambda data: graph_filter.fit(
        data, graph_filter.GraphFilterParams(rank=2, neighbours=4), AT
    ),
    "graph_filter, exact": lambda data: graph_filter.fit(
        data, graph_filter.GraphFilterParams(rank=2, exact=True), AT
    ),
    "transition": lambda data: transition.fit(data, transition.TransitionParams(rank=4), AT),
    "als": lambda data: als.fit(data, als.AlsParams(factors=4, regularization=0.1), AT),
    "als by frequency": lambda data: als.fit(
        data, als.AlsParams(factors=4, regularization=0.1, frequency=1.0), AT
    ),
    "blend": lambda data: blend_of(
        [Ingredient(default_recipe(name), Say(1.0, 0.5)) for name in ("popularity", "item_knn")]
    ).fit(data, AT),
}


PERSONAL = [name for name in FITS if name not in {"popularity", "personal", "transition", "blend"}]


@pytest.mark.parametrize("name", FITS)
def test_a_fit_says_what_it_is_and_what_it_was_made_of(name: str, tmp_path: Path) -> None:
    dataset = checkerboard_dataset()
    bundle = FITS[name](dataset)
    bundle.save(tmp_path / "1")
    manifest = load_bundle(tmp_path / "1").manifest
    assert manifest.algorithm in {name, name.replace(",", "").partition(" ")[0], "item_knn"}
    assert (manifest.items, manifest.created_at) == (SIZE, AT)
    assert manifest.data == dataset.data
    # A blend's parts are weighed each in its own way.
    assert manifest.weighting == (Weighting() if name == "blend" else dataset.weighting)


@pytest.mark.parametrize("name", FITS)
def test_two_customers_and_one_item_are_enough(name: str) -> None:
    smallest = dataset_of(csr_array(np.ones((2, 1))), ["ck_0", "ck_1"], ["only"], WEIGHTING, AT)
    bundle = FITS[name](smallest)
    scores = open_scorer(bundle).score(smallest.baskets)
    assert scores.shape == (2, 1)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("name", FITS)
def test_no_byte_of_a_bundle_knows_a_customer(name: str, tmp_path: Path) -> None:
    FITS[name](checkerboard_dataset()).save(tmp_path / "1")
    names = [needle for n in range(SIZE) for needle in (key(n), outside_id(n), key(n)[3:])]
    needles = [text.encode() for text in names] + [bytes.fromhex(key(n)[3:]) for n in range(SIZE)]
    needles += [event.id.encode() for event in checkerboard()]
    for path in (tmp_path / "1").iterdir():
        content = path.read_bytes()
        assert not any(needle in content for needle in needles), path


@pytest.mark.parametrize("name", FITS)
def test_the_same_data_gives_the_same_bundle(name: str, tmp_path: Path) -> None:
    for folder in ("1", "2"):
        FITS[name](checkerboard_dataset()).save(tmp_path / folder)
    one, other = (
        {path.name: path.read_bytes() for path in (tmp_path / folder).iterdir()}
        for folder in ("1", "2")
    )
    assert one == other


@pytest.mark.parametrize("name", PERSONAL)
def test_a_model_finds_the_one_item_that_is_missing(name: str) -> None:
    bundle = FITS[name](checkerboard_dataset())
    view, scorer = item_view(bundle.items, None, bundle.popularity), open_scorer(bundle)
    held_out = checkerboard_held_out()
    for history, targets in zip(held_out.histories, held_out.targets, strict=True):
        basket = baskets_of([history], bundle.index, AT)
        rows = slate_rows(view, scorer.score(basket)[0], Ask(Block(size=1), history), AT)
        assert {bundle.items[row] for row in rows} == targets
        ((reason,),) = reasons(
            scorer.tastes(basket).shares([rows])[0], basket, bundle.manifest.weighting
        )
        assert int(bundle.items[reason.row][-2:]) % 2 == rows[0] % 2


@pytest.mark.parametrize("name", PERSONAL)
def test_similar_items_are_of_the_same_colour(name: str) -> None:
    rows, scores = open_scorer(FITS[name](checkerboard_dataset())).similar(4, 5)
    assert set(rows.tolist()) == {0, 2, 6, 8, 10}
    assert (np.diff(scores) <= 0).all()


def test_what_is_bought_now_is_more_popular_than_what_was() -> None:
    bundle = FITS["popularity"](checkerboard_dataset())
    assert (np.diff(bundle.popularity) < 0).all()


def test_what_people_take_up_is_told_from_what_they_buy_again() -> None:
    bought = [(0, "bread", 9), (0, "bread", 1), (1, "bread", 9), (1, "bread", 1)]
    bought += [(0, "game", 2), (1, "game", 2), (1, "game", 1)]
    events = [purchase(who, item, AT - timedelta(days=ago)) for who, item, ago in bought]
    # A look before it is no purchase.
    events.append(purchase(0, "game", AT - timedelta(days=30), EventType.VIEW))
    dataset = load_dataset(table(events), Weighting(half_life_days=1.0), AT, lake_version=1)
    often = popularity.popularity_of(dataset)
    first = popularity.popularity_of(dataset, popularity.PopularityParams(damping=1.0, first=True))
    assert dataset.items == ("bread", "game")
    assert often[0] > often[1]
    assert first.tolist() == pytest.approx([2 * 2.0**-9, 2 * 2.0**-2])


def test_undamped_popularity_is_the_sum_of_the_weights() -> None:
    dataset = checkerboard_dataset()
    params = popularity.PopularityParams(damping=1.0)
    np.testing.assert_allclose(
        popularity.fit(dataset, params, AT).popularity, dataset.matrix.sum(axis=0), rtol=1e-6
    )
    heads = popularity.popularity_of(dataset, popularity.PopularityParams(damping=0.0))
    assert heads.tolist() == [SIZE / 2 - 1] * SIZE


def test_without_shrinking_the_likeness_is_the_cosine() -> None:
    dataset = checkerboard_dataset()
    params = item_knn.ItemKnnParams(neighbours=SIZE, shrink=0.0, damping=1.0, customer_damping=0.0)
    rows, scores = open_scorer(item_knn.fit(dataset, params, AT)).similar(0, SIZE)
    columns = dataset.matrix.toarray().astype(float)
    unit = columns / np.linalg.norm(columns, axis=0)
    np.testing.assert_allclose(scores, (unit.T @ unit[:, 0])[rows], rtol=1e-5)


def test_scores_are_what_a_table_of_all_pairs_gives() -> None:
    dataset = checkerboard_dataset()
    params = item_knn.ItemKnnParams(neighbours=SIZE, shrink=3.0, damping=0.75, customer_damping=0.5)
    cells = dataset.matrix.toarray().astype(float) ** 0.75
    totals = cells.sum(axis=1, keepdims=True)
    cells /= (totals / totals.mean()) ** 0.5
    lengths = np.sqrt((cells**2).sum(axis=0) + 3.0)
    likeness = cells.T @ cells / np.outer(lengths, lengths)

    bundle = item_knn.fit(dataset, params, AT)
    histories = checkerboard_held_out().histories
    baskets = baskets_of(histories, bundle.index, AT)
    weights = baskets.weights(bundle.manifest.weighting).toarray().astype(float)
    np.testing.assert_allclose(
        open_scorer(bundle).score(baskets), weights @ likeness, rtol=1e-5, atol=1e-7
    )


def test_only_so_many_neighbours_are_kept() -> None:
    params = item_knn.ItemKnnParams(neighbours=3)
    starts = item_knn.fit(checkerboard_dataset(), params, AT).arrays["neighbour_starts"]
    assert (np.diff(starts) == 3).all()


def test_factors_that_do_not_converge_are_refused_with_the_cure() -> None:
    params = als.AlsParams(factors=4, alpha=float("inf"))
    with pytest.raises(BundleError, match=r"did not converge.*raise regularization"):
        als.fit(checkerboard_dataset(), params, AT)


def test_rows_that_are_alike_are_regularised_alike() -> None:
    matrix = checkerboard_dataset().matrix
    counts = {count for side in (matrix, matrix.T.tocsr()) for count in np.diff(side.indptr)}
    assert counts == {SIZE // 2 - 1}
    grown = als.AlsParams(factors=4, regularization=0.1, alpha=2.0, frequency=1.5)
    np.testing.assert_allclose(
        als.factorize(matrix, grown),
        als.factorize(matrix, als.AlsParams(factors=4, regularization=0.1, alpha=2.0)),
        rtol=1e-4,
        atol=1e-5,
    )


def test_rows_with_more_cells_are_regularised_more() -> None:
    counts = np.array([0, 1, 1, 2, 4, 16])
    side = csr_matrix(np.arange(20) < counts[:, None], dtype=np.float32)
    groups = als._groups(side, als.AlsParams(regularization=2.0, frequency=0.5))
    assert [end for _, end, _ in groups][-1] == len(counts)
    assert [start for start, _, _ in groups] == [0, *(end for _, end, _ in groups[:-1])]
    strengths = [strength for _, _, strength in groups]
    assert strengths == sorted(strengths)
    assert strengths[0] == pytest.approx(2.0 * (1 / counts.mean()) ** 0.5)
    assert strengths[-1] == pytest.approx(2.0 * (16 / counts.mean()) ** 0.5)


def test_an_item_s_loyalty_is_the_share_of_buyers_who_came_back_another_day() -> None:
    def bought(customer: int, item: str, day: float) -> Event:
        return purchase(customer, item, AT - timedelta(days=day))

    events = [
        *(bought(n, "milk", day) for n in range(4) for day in (3.5, 9.5)),
        *(bought(n, "pan", day) for n in range(4) for day in (3.4, 3.5)),  # twice a day is once
        *(bought(n, "half", day) for n in range(4) for day in ((2.5, 8.5) if n < 2 else (2.5,))),
        purchase(0, "pan", AT - timedelta(days=30), EventType.VIEW),
    ]
    dataset = load_dataset(table(events), WEIGHTING, AT)
    rates = dict(zip(dataset.items, personal.return_rates(dataset, prior=1e-9), strict=True))
    assert rates == pytest.approx({"milk": 1.0, "pan": 0.0, "half": 0.5}, abs=1e-6)
    drawn = personal.return_rates(dataset, prior=1e9)
    assert drawn == pytest.approx([0.5] * 3)


def test_what_was_bought_often_and_is_bought_again_comes_first() -> None:
    bundle = FITS["personal"](checkerboard_dataset())
    once_more = baskets_of([history_of([purchase(0, "item-04", AT)])], bundle.index, AT)
    scores = open_scorer(bundle).score(once_more)[0]
    assert np.flatnonzero(scores).tolist() == [bundle.index["item-04"]]


def normalised(customer_power: float, item_power: float) -> np.ndarray[tuple[int, int], Any]:
    """Which items of the checkerboard each customer has, by powers of how many both have."""
    cells = (checkerboard_dataset().matrix.toarray() > 0).astype(float)
    rows = cells.sum(axis=1, keepdims=True) ** -customer_power
    return np.asarray(cells * rows * cells.sum(axis=0) ** -item_power)


def test_the_closed_form_regresses_each_item_on_all_others() -> None:
    params = ease.EaseParams(regularization=0.5, popularity_power=0.0, neighbours=None)
    bundle = ease.fit(checkerboard_dataset(), params, AT)
    cells = normalised(0.3, 0.5)
    gram = cells.T @ cells
    ridge = 0.5 * gram.diagonal().mean()
    wanted = np.zeros((SIZE, SIZE))
    for item in range(SIZE):
        others = np.delete(np.arange(SIZE), item)
        system = gram[np.ix_(others, others)] + ridge * np.eye(SIZE - 1)
        wanted[others, item] = np.linalg.solve(system, gram[others, item])
    np.testing.assert_allclose(matrix_of(bundle), wanted, atol=1e-6)


def matrix_of(bundle: Bundle) -> np.ndarray[tuple[int, int], Any]:
    """What each item (row) gives to each (column)."""
    scorer = open_scorer(bundle)
    assert isinstance(scorer, LinearScorer)
    assert scorer._matrix.sparse is not None
    return np.asarray(scorer._matrix.sparse.toarray())


def test_regressions_on_enough_of_the_nearest_are_those_on_all() -> None:
    whole = ease.EaseParams(neighbours=None)
    near = ease.EaseParams(neighbours=SIZE - 1)
    found = [matrix_of(ease.fit(checkerboard_dataset(), one, AT)) for one in (whole, near)]
    # Items of the other colour are nobody's neighbours, and all others have nothing to add there.
    np.testing.assert_allclose(found[0], found[1], atol=1e-5)


def test_too_many_items_for_the_closed_form_are_refused_with_the_cure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ease, "CLOSED_FORM", SIZE - 1)
    with pytest.raises(BundleError, match=r"12 items.*at most 11.*number of neighbours"):
        ease.fit(checkerboard_dataset(), ease.EaseParams(neighbours=None), AT)


def test_a_graph_filter_keeps_the_smoothest_frequencies() -> None:
    params = graph_filter.GraphFilterParams(
        customer_power=0.5, popularity_power=0.5, neighbours=None, rank=3, low_pass=0.3, exact=True
    )
    bundle = graph_filter.fit(checkerboard_dataset(), params, AT)
    cells = normalised(0.5, 0.5)
    vectors = np.linalg.svd(cells)[2][:3].T
    counts = (checkerboard_dataset().matrix.toarray() > 0).sum(axis=0)
    smooth = 0.3 * (vectors / counts[:, None] ** 0.5) @ (vectors * counts[:, None] ** 0.5).T
    np.testing.assert_allclose(matrix_of(bundle), cells.T @ cells, atol=1e-6)
    # Equal singular values leave the vectors free to turn; the two greatest stand alone.
    found = bundle.arrays[IN][:, -2:] @ bundle.arrays[OUT][:, -2:].T
    alone = (
        0.3
        * (vectors[:, :2] / counts[:, None] ** 0.5)
        @ (vectors[:, :2] * counts[:, None] ** 0.5).T
    )
    assert np.linalg.matrix_rank(smooth) == 3
    np.testing.assert_allclose(np.abs(found).sum(), np.abs(alone).sum(), rtol=1e-4)


def ridge_filter(neighbours: int | None) -> np.ndarray[tuple[int, int], Any]:
    """What each item of the checkerboard gives to each, of its three smoothest frequencies."""
    params = graph_filter.GraphFilterParams(
        customer_power=0.5,
        popularity_power=0.0,
        neighbours=neighbours,
        rank=3,
        ridge=0.2,
        exact=True,
    )
    bundle = graph_filter.fit(checkerboard_dataset(), params, AT)
    linear = matrix_of(bundle) if neighbours is None else 0.0
    return np.asarray(linear + bundle.arrays[IN] @ bundle.arrays[OUT].T)


def test_a_ridge_filter_is_ridge_regression_of_every_item_on_all() -> None:
    cells = normalised(0.5, 0.5)
    gram = cells.T @ cells
    greatest = np.linalg.eigvalsh(gram)[-1]
    whole = gram @ np.linalg.inv(gram + 0.2 * greatest * np.eye(SIZE))
    # All frequencies beyond the rank are as great as the third, so the line to it misses none.
    np.testing.assert_allclose(ridge_filter(None), whole, atol=1e-6)


def test_a_ridge_filter_without_neighbours_keeps_the_smoothest_frequencies_alone() -> None:
    squares = np.linalg.svd(normalised(0.5, 0.5))[1][:3] ** 2
    shrunk = squares / (squares + 0.2 * squares[0])
    found = np.linalg.eigvalsh(ridge_filter(0))[::-1]
    np.testing.assert_allclose(found[:3], shrunk, atol=1e-6)
    np.testing.assert_allclose(found[3:], 0.0, atol=1e-6)


@pytest.mark.parametrize("name", ["popularity", "item_knn", "personal", "ease", "als"])
def test_a_bundle_tells_the_recipe_that_it_was_made_by(name: str, tmp_path: Path) -> None:
    recipe = Recipe(name, default_recipe(name).params, WEIGHTING)
    recipe.fit(checkerboard_dataset(), AT).save(tmp_path / "1")
    manifest = load_bundle(tmp_path / "1").manifest
    assert recipe_of(manifest) == recipe
    assert recipes_of(manifest) == (recipe,)
    other = msgspec.structs.replace(manifest, params={"neighbours": "many", "damping": "a lot"})
    assert recipe_of(msgspec.structs.replace(other, algorithm="crystal_ball")) is None
