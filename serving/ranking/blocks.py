"""Blocks: the places in an e-mail, configured in one TOML file.

One table a block, by name::

    [hero]
    size = 4
    allow_repeats = false
    [[hero.items]]          # the static rung: what is shown when nothing else can be
    id = "gift-card"
    title = "A gift card"
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from features.item import Item

MAX_SIZE = 50
"""Items in one slate."""


class Block(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One place in an e-mail and its rules.

    Attributes:
        name: As templates ask for it; from the table's name.
        size: Items in a slate, 1 to `MAX_SIZE`.
        allow_repeats: Whether items that the customer owns may come back.
        repeat_after_days: An item that was bought or returned within so many days stays away,
            whatever `allow_repeats` says. From 0.
        categories: Only items in any of these; all items when empty.
        exclude_categories: No item in any of these.
        category_cap: At most so many items of the same narrowest category. It yields rather than
            leave a slate short. None for no cap.
        items: The static answer.
    """

    name: str = ""
    size: int
    allow_repeats: bool = False
    repeat_after_days: float = 0.0
    categories: tuple[str, ...] = ()
    exclude_categories: tuple[str, ...] = ()
    category_cap: int | None = None
    items: tuple[Item, ...] = ()


def load_blocks(path: Path | None = None) -> dict[str, Block]:
    """Blocks by name, in the file's order.

    Args:
        path: A TOML file; the built-in `hero`, `cross_sell` and `buy_again` when None.

    Raises:
        SettingsError: The file can't be read or a value can't be used; the message names file,
            block, field and value.
    """
    raise NotImplementedError
