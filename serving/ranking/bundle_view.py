"""The item side of ranking by a bundle."""

from __future__ import annotations

from collections.abc import Mapping

from features.item import Item
from serving.model.bundle import Bundle
from serving.model.vectors import item_vectors
from serving.ranking.view import ItemView, item_view


def bundle_view(bundle: Bundle, catalogue: Mapping[str, Item] | None) -> ItemView:
    """The view of a bundle's items, with its popularity and vectors.

    Args:
        bundle: Which ranks.
        catalogue: As `item_view` takes it.
    """
    vectors = item_vectors(bundle)
    return item_view(bundle.items, catalogue, bundle.popularity, vectors, bundle.index)
