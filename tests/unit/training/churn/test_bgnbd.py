"""BG/NBD held against simulation, numerical integration and its own slope."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import betaln

from features.errors import InvalidArgument, NotEnoughData
from training.churn.bgnbd import MOST, BgNbd, Buyers, _likelihood, fit_bgnbd

TRUE = BgNbd(r=0.9, alpha=20.0, a=0.8, b=2.5)
SOME = Buyers(np.array([0.0, 1, 4, 30]), np.array([0.0, 10, 60, 85]), np.array([40.0, 90, 90, 90]))


def simulate(model: BgNbd, people: int, days: float, ahead: float) -> tuple[Buyers, np.ndarray]:
    """Customers who bought first on day 0: what is known on a day, and purchases ahead of it."""
    random = np.random.default_rng(4)
    rate = random.gamma(model.r, 1 / model.alpha, people)
    stop = random.beta(model.a, model.b, people)
    frequency, recency, later = np.zeros(people), np.zeros(people), np.zeros(people)
    moment, alive = np.zeros(people), np.ones(people, dtype=bool)
    while alive.any():
        moment = moment + random.exponential(1 / rate)
        alive &= moment < days + ahead
        before = alive & (moment < days)
        frequency[before] += 1
        recency[before] = moment[before]
        later[alive & ~before] += 1
        alive &= random.uniform(size=people) > stop
    return Buyers(frequency, recency, np.full(people, days)), later


@pytest.fixture(scope="module")
def simulated() -> tuple[Buyers, np.ndarray]:
    return simulate(TRUE, 40_000, 180.0, 60.0)


def test_a_fit_finds_the_parameters_that_made_the_data(
    simulated: tuple[Buyers, np.ndarray],
) -> None:
    found = fit_bgnbd(simulated[0])
    assert found.r == pytest.approx(TRUE.r, rel=0.06)
    assert found.alpha == pytest.approx(TRUE.alpha, rel=0.06)
    assert found.a / (found.a + found.b) == pytest.approx(0.8 / 3.3, rel=0.06)
    assert found.log_likelihood(simulated[0]) >= TRUE.log_likelihood(simulated[0])


def test_a_fit_looks_at_a_sample_that_is_spread_over_all() -> None:
    ages = np.arange(2.0 * MOST + 1)
    some = Buyers(np.zeros_like(ages), np.zeros_like(ages), ages).thinned()
    assert MOST / 2 < len(some.age) <= MOST
    assert set(np.diff(some.age)) == {3.0}
    assert SOME.thinned().age.tolist() == SOME.age.tolist()


def test_silence_and_purchases_ahead_come_as_often_as_is_said(
    simulated: tuple[Buyers, np.ndarray],
) -> None:
    buyers, later = simulated
    silent, expected = TRUE.p_silent(buyers, 60.0), TRUE.expected_purchases(buyers, 60.0)
    for group in (buyers.frequency == 0, buyers.frequency == 2, buyers.recency > 150):
        assert group.sum() > 2_000
        assert (later[group] == 0).mean() == pytest.approx(silent[group].mean(), abs=0.02)
        assert later[group].mean() == pytest.approx(expected[group].mean(), rel=0.06)


@pytest.mark.parametrize("a", [0.5, 1.0, 1.0 + 5e-7, 3.0])
def test_expected_purchases_are_the_integral_over_who_stops(a: float) -> None:
    model, ahead = BgNbd(0.4, 12.0, a, 2.0), 50.0

    def of(x: float, age: float) -> float:
        """E[(1 − e^(−λpt)) / p] over what is known of λ and p of one who is alive."""

        def density(p: float) -> float:
            log = (a - 1) * np.log(p) + (2 + x - 1) * np.log1p(-p) - betaln(a, 2 + x)
            rest = ((12 + age) / (12 + age + p * ahead)) ** (0.4 + x)
            return float(np.exp(log) * (1 - rest) / p)

        return float(quad(density, 0, 1, limit=200)[0])

    alive = model.p_alive(SOME)
    each = [of(x, age) for x, age in zip(SOME.frequency, SOME.age, strict=True)]
    np.testing.assert_allclose(model.expected_purchases(SOME, ahead), alive * each, rtol=1e-5)


def test_expected_purchases_stay_finite_where_a_gamma_function_has_a_pole() -> None:
    new = Buyers(np.zeros(1), np.zeros(1), np.array([30.0]))
    near = [
        BgNbd(0.4, 12.0, 0.25, 0.75 + off).expected_purchases(new, 50.0)[0] for off in (0, 1e-4)
    ]
    assert near[0] == pytest.approx(near[1], rel=1e-3)


def test_thousands_of_purchases_overflow_nothing() -> None:
    heavy = Buyers(np.array([5_000.0]), np.array([2_999.0]), np.array([3_000.0]))
    assert TRUE.p_alive(heavy)[0] > 0.5
    assert TRUE.p_silent(heavy, 28.0)[0] < 0.01
    assert 20 < TRUE.expected_purchases(heavy, 28.0)[0] < 28.0 * 5_000 / 3_000


def test_who_bought_once_is_alive_and_silence_grows_with_the_time_ahead() -> None:
    assert TRUE.p_alive(SOME)[0] == 1.0
    silent = [TRUE.p_silent(SOME, ahead) for ahead in (0.0, 7.0, 70.0, 1e9)]
    assert (np.diff(silent[1:], axis=0) < 0).all()
    np.testing.assert_allclose(silent[0], 1.0)
    np.testing.assert_allclose(silent[3], 1 - TRUE.p_alive(SOME), atol=0.01)


def test_the_slope_of_the_likelihood_is_its_own() -> None:
    theta, step = np.array([0.7, 9.0, 0.6, 1.9]), 1e-6
    slope = _likelihood(theta, SOME)[1]
    for place in range(4):
        moved = theta.copy()
        moved[place] += step
        gain = _likelihood(moved, SOME)[0] - _likelihood(theta, SOME)[0]
        assert slope[place] == pytest.approx(gain / step, rel=1e-4)


def test_the_likelihood_of_one_who_never_came_back_is_that_of_waiting() -> None:
    once = Buyers(np.zeros(1), np.zeros(1), np.array([30.0]))
    assert TRUE.log_likelihood(once) == pytest.approx(0.9 * np.log(20 / 50))


def test_too_few_who_came_back_are_named() -> None:
    with pytest.raises(NotEnoughData, match="0 of 50 customers bought on more than one day"):
        fit_bgnbd(Buyers(np.zeros(50), np.zeros(50), np.full(50, 9.0)))


def test_a_last_purchase_after_t_is_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"2\.0, 9\.0, 8\.0"):
        Buyers(np.array([1.0, 2.0]), np.array([3.0, 9.0]), np.array([8.0, 8.0]))
