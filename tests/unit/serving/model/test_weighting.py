from __future__ import annotations

import math

import msgspec
import pytest

from features.errors import SettingsError
from features.event import EventType
from serving.model.weighting import Weighting


def test_a_weighting_survives_json() -> None:
    weighting = Weighting({EventType.CART: 0.5}, half_life_days=None)
    assert msgspec.json.decode(msgspec.json.encode(weighting), type=Weighting) == weighting


def test_nothing_fades_without_a_half_life() -> None:
    assert Weighting(half_life_days=None).decay_per_second() == 0.0


def test_a_half_life_halves() -> None:
    assert 2.0 ** (-Weighting(half_life_days=3).decay_per_second() * 3 * 86_400) == 0.5


@pytest.mark.parametrize("days", [0.0, -1.0, math.nan, math.inf])
def test_a_half_life_that_is_no_time_is_refused_by_name(days: float) -> None:
    with pytest.raises(SettingsError, match="half_life_days"):
        Weighting(half_life_days=days)


def test_a_weight_that_is_no_number_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match=r"types\.view"):
        Weighting({EventType.VIEW: math.nan})
