from __future__ import annotations

import numpy as np

from training.uplift.campaign import Campaign
from training.uplift.groups import groups


def told(column: np.ndarray, name: str) -> dict[str, str]:
    """Who gets which mail, where one column decides at its middle."""
    arm = np.arange(len(column)) % 2
    campaign = Campaign([name], column[:, None], ["none", "red"], arm, np.zeros(len(column)))
    chosen = (column > np.median(column)).astype(np.int64)
    gains = np.column_stack([np.zeros(len(column)), column])
    return {group.who: group.arm for group in groups(campaign, chosen, gains)}


def test_a_split_is_told_in_the_words_of_its_column() -> None:
    half = np.repeat([0.0, 1.0], [60, 40])
    assert told(np.arange(100.0), "age") == {"age ≤ 49.5": "none", "age > 49.5": "red"}
    assert told(half, "member") == {"member is 0": "none", "member is 1": "red"}
    assert told(half, "town=Bath") == {"town is not Bath": "none", "town is Bath": "red"}


def test_one_mail_for_everybody_is_one_group() -> None:
    assert told(np.zeros(100), "age") == {"everybody": "none"}
