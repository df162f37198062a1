"""BG/NBD: how often customers buy until they silently stop (Fader, Hardie & Lee, 2005).

While alive a customer buys at a Poisson rate λ, and stops after any purchase with probability p;
over customers λ is gamma distributed (shape r, rate alpha) and p beta distributed (a, b). "Counting
Your Customers" the Easy Way: An Alternative to the Pareto/NBD Model, Marketing Science 24(2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import betaln, digamma, gammaln, hyp2f1

from features.errors import InvalidArgument, NotEnoughData
from training.churn.odds import sigmoid

Floats = NDArray[np.float64]

FEWEST: Final = 10
"""Customers, and customers who bought again, that a fit needs at least."""
MOST: Final = 50_000
"""Customers that a fit looks at: four parameters are known to three digits from so many."""
BOUND: Final = 9.0
"""How far the logarithms of parameters may go from 0, with mean age as the unit of time."""
NUDGE: Final = 1e-6
"""How near to a pole of the formula for expected purchases it is still exact to 1e-9."""


@dataclass(frozen=True, eq=False)
class Buyers:
    """What the model reads of customers who bought at least once; times in days.

    Attributes:
        frequency: Purchase days after the first, (customers,).
        recency: From the first purchase to the last, (customers,); 0 where there is one only.
        age: From the first purchase to T, (customers,).
    """

    frequency: Floats
    recency: Floats
    age: Floats

    def __post_init__(self) -> None:
        """Raise `InvalidArgument` unless the times can be true."""
        x, last, age = self.frequency, self.recency, self.age
        if not ((x >= 0) & (last >= 0) & (last <= age)).all():
            worst = int(np.argmin((x >= 0) & (last >= 0) & (last <= age)))
            said = (float(x[worst]), float(last[worst]), float(age[worst]))
            reason = "0 <= frequency and 0 <= recency <= age does not hold"
            cure = "count repeat purchases, and time from the first purchase on"
            raise InvalidArgument.of(said, field="buyers", reason=reason, cure=cure)

    def thinned(self) -> Buyers:
        """At most `MOST` of them, evenly over their order."""
        step = -(-len(self.age) // MOST) or 1
        return Buyers(self.frequency[::step], self.recency[::step], self.age[::step])


class BgNbd(msgspec.Struct, frozen=True):
    """Fitted parameters; times in days.

    Attributes:
        r: Shape of the rate of purchases over customers.
        alpha: Its rate: r / alpha purchases a day on average.
        a: Of the probability to stop after a purchase: a / (a + b) on average.
        b: The other.
    """

    r: float
    alpha: float
    a: float
    b: float

    def log_likelihood(self, buyers: Buyers) -> float:
        """Of all customers together."""
        theta = np.array([self.r, self.alpha, self.a, self.b])
        return _likelihood(theta, buyers)[0]

    def p_alive(self, buyers: Buyers) -> Floats:
        """The chance that each has not stopped by T, (customers,); 1 without a repeat purchase."""
        x, last, age = buyers.frequency, buyers.recency, buyers.age
        # The odds of having stopped, as a logarithm so that no power overflows.
        power = (self.r + x) * np.log((self.alpha + age) / (self.alpha + last))
        stopped = np.log(self.a) - np.log(self.b + np.maximum(x, 1) - 1) + power
        return np.where(x > 0, sigmoid(-stopped), 1.0)

    def p_silent(self, buyers: Buyers, ahead: float) -> Floats:
        """The chance that each buys nothing in the days (T, T + ahead], (customers,).

        Nobody stops between purchases: who is alive at T stays so until the next purchase, which
        comes at a rate that is gamma distributed (shape r + x, rate alpha + T) given the past.
        """
        waiting = self.alpha + buyers.age
        none = np.exp((self.r + buyers.frequency) * np.log(waiting / (waiting + ahead)))
        return np.asarray(1 - self.p_alive(buyers) * (1 - none))

    def expected_purchases(self, buyers: Buyers, ahead: float) -> Floats:
        """Purchase days of each to be expected in the days (T, T + ahead], (customers,).

        Equation 10 of the paper after Euler's transformation of the hypergeometric function,
        whose arguments then do not grow with frequency where it would overflow.
        """
        a, c = _off(self.a, 1.0), self.a + self.b + buyers.frequency - 1
        c = np.where(np.abs(c) < NUDGE, NUDGE, c)
        z = ahead / (self.alpha + buyers.age + ahead)
        kept = (1 - z) ** (a - 1) * hyp2f1(self.a + self.b - 1 - self.r, a - 1, c, z)
        return np.asarray(c / (a - 1) * (1 - kept) * self.p_alive(buyers))


def fit_bgnbd(buyers: Buyers) -> BgNbd:
    """The parameters of the greatest likelihood.

    Args:
        buyers: All customers who bought before T, those who are long gone too: on the active alone
            the model would not learn how customers stop.

    Raises:
        NotEnoughData: Too few customers bought, or too few of them again.
    """
    again = int((buyers.frequency > 0).sum())
    if again < FEWEST:
        message = (
            f"BG/NBD: {again} of {len(buyers.age)} customers bought on more than one day, and "
            f"{FEWEST} are needed: wait for more history"
        )
        raise NotEnoughData(message)
    some = buyers.thinned()
    unit = float(some.age.mean())
    scaled = Buyers(some.frequency, some.recency / unit, some.age / unit)

    def loss(logs: Floats) -> tuple[float, Floats]:
        theta = np.exp(logs)
        value, slope = _likelihood(theta, scaled)
        return -value / len(scaled.age), -slope * theta / len(scaled.age)

    found = minimize(loss, np.zeros(4), jac=True, method="L-BFGS-B", bounds=[(-BOUND, BOUND)] * 4)
    r, alpha, a, b = map(float, np.exp(found.x))
    return BgNbd(r, alpha * unit, a, b)


def _likelihood(theta: Floats, buyers: Buyers) -> tuple[float, Floats]:
    """The log-likelihood, and its slope in r, alpha, a and b."""
    r, alpha, a, b = theta
    x, last, age = buyers.frequency, buyers.recency, buyers.age
    late, early = np.log(alpha + age), np.log(alpha + last)
    # Of a customer with repeat purchases: still alive at T, or stopped at the last one.
    before = b + np.maximum(x, 1) - 1
    alive = -(r + x) * late
    gone = np.where(x > 0, np.log(a) - np.log(before) - (r + x) * early, -np.inf)
    either = np.logaddexp(alive, gone)
    stopped = np.exp(gone - either)
    value = (
        gammaln(r + x) - gammaln(r) + r * np.log(alpha) + betaln(a, b + x) - betaln(a, b) + either
    )
    both = digamma(a + b) - digamma(a + b + x)
    slope = (
        digamma(r + x) - digamma(r) + np.log(alpha) - (1 - stopped) * late - stopped * early,
        r / alpha - (r + x) * ((1 - stopped) / (alpha + age) + stopped / (alpha + last)),
        both + stopped / a,
        both + digamma(b + x) - digamma(b) - stopped / before,
    )
    return float(value.sum()), np.array([float(one.sum()) for one in slope])


def _off(value: float, pole: float) -> float:
    """The value, kept a little away from a pole."""
    return pole + NUDGE if abs(value - pole) < NUDGE else value
