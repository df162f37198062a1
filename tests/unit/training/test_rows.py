from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.rows import Rows, starts_of


@dataclass(frozen=True, eq=False)
class Notes(Rows):
    """Rows that say a letter each."""

    letters: NDArray[np.str_]


NOTES = Notes(np.array([0, 2, 2, 5]), np.array([7, 8, 7, 8, 9], np.int32), np.array(list("abcde")))


def test_every_row_has_its_customer() -> None:
    assert NOTES.customers.tolist() == [0, 0, 2, 2, 2]
    assert NOTES.lengths.tolist() == [2, 0, 3]
    assert starts_of(NOTES.customers, 3).tolist() == NOTES.starts.tolist()


def test_customers_are_picked_with_their_rows_in_any_order() -> None:
    picked = NOTES.picked(np.array([2, 1, 0]))
    assert picked.starts.tolist() == [0, 3, 3, 5]
    assert "".join(picked.letters) == "cdeab"
    assert picked.items.tolist() == [7, 8, 9, 7, 8]
    assert NOTES.picked(np.array([], int)).starts.tolist() == [0]


def test_rows_are_picked_and_customers_stay() -> None:
    kept = NOTES.where(NOTES.items == 8)
    assert (kept.starts.tolist(), "".join(kept.letters)) == ([0, 1, 1, 2], "bd")
