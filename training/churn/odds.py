"""Odds: probabilities as logarithms of their odds, and back."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

CLIP: Final = 1e-6
"""Probabilities nearer to 0 or 1 than this count as this."""

Floats = NDArray[np.float64]


def sigmoid(values: Floats) -> Floats:
    """1 / (1 + e^−values), without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * values)))


def log_odds(probabilities: Floats) -> Floats:
    """ln(p / (1 − p)), with p kept `CLIP` away from 0 and 1."""
    clipped = np.clip(probabilities, CLIP, 1 - CLIP)
    return np.asarray(np.log(clipped / (1 - clipped)))
