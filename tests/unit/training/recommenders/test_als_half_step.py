"""The half-step that serves is the one that implicit takes."""

from __future__ import annotations

import numpy as np
import pytest
from implicit.cpu.als import AlternatingLeastSquares
from threadpoolctl import threadpool_limits

from serving.model.als import FACTORS, AlsScorer
from serving.model.basket import baskets_of
from tests.unit.training.samples import AT, WEIGHTING, histories_before, table
from tests.unit.training.test_dataset import shuffled_life
from training.dataset import load_dataset
from training.recommenders import als


@pytest.mark.parametrize(("alpha", "regularization"), [(1.0, 0.01), (7.5, 2.0)])
def test_a_customer_s_vector_is_what_implicit_recalculates(
    alpha: float, regularization: float
) -> None:
    events = table(shuffled_life())
    dataset = load_dataset(events, WEIGHTING, AT)
    params = als.AlsParams(factors=5, alpha=alpha, regularization=regularization)
    bundle = als.fit(dataset, params, AT)

    with threadpool_limits(limits=1, user_api="blas"):
        reference = AlternatingLeastSquares(
            factors=5, regularization=regularization, alpha=1.0, num_threads=1
        )
        reference.item_factors = bundle.arrays[FACTORS]
        users = np.arange(len(dataset.customers))
        expected = reference.recalculate_user(users, als.confidences(dataset.matrix, params))

    histories = histories_before(shuffled_life(), AT)
    of_each = [histories[customer] for customer in dataset.customers]
    baskets = baskets_of(of_each, bundle.index, AT)
    np.testing.assert_allclose(AlsScorer(bundle).vectors(baskets), expected, rtol=1e-4, atol=1e-4)
