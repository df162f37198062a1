"""What a bundle knows of how alike two items are: a vector for each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from serving.model.als import FACTORS
from serving.model.bundle import Bundle
from serving.model.linear import OUT


def item_vectors(bundle: Bundle) -> NDArray[np.float32] | None:
    """A vector for each item, (items, factors), such that items alike point the same way.

    The factors of items, or what items gain from those of others; of a blend those of its first
    part that has any. None when the bundle has neither.
    """
    parts = (bundle.part(number) for number in range(len(bundle.manifest.parts)))
    for model in (bundle, *parts):
        for name in (FACTORS, OUT):
            if name in model.arrays:
                return model.array(name, np.float32, 2)
    return None
