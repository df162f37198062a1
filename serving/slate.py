"""What was asked and what was answered: the nouns of the scorer."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from features.event import EventType
from features.item import Item
from features.override import Action
from features.tokens import token
from serving.ranking.blocks import RuleName


class Rung(StrEnum):
    """What an answer was made from, best first."""

    MODEL = "model"
    PROFILE = "profile"
    SEGMENT = "segment"
    POPULAR = "popular"
    STATIC = "static"


class Reason(StrEnum):
    """Why an answer is not the model's own, the first that applies."""

    DEADLINE = "deadline"
    BUSY = "busy"
    FAILED = "internal error"
    STORE = "profile store unavailable"
    UNKNOWN = "unknown customer"
    NO_MODEL = "no model"
    NO_HISTORY = "no history that the model knows"
    TOO_FEW = "too few items"


KINDS: Mapping[str, str] = {
    EventType.PURCHASE: "bought",
    EventType.VIEW: "viewed",
    EventType.CART: "carted",
    EventType.RETURN: "returned",
    EventType.EMAIL_CLICK: "clicked",
}
"""What a customer did, as a mail may say it; other types stand for themselves."""


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One question for one slate.

    Attributes:
        customer: The customer key.
        block: The block's name, one that is configured.
        send: The e-mail's id; None when the answer need not be repeatable.
        n: Items wanted, 1 to `serving.ranking.blocks.MAX_SIZE`; None for the block's own size.
        explain: Whether the answer says how rules moved its items.
        record: Whether it is recorded that the answer was shown.
        deadline_ms: Answer by then, if that is before the process's own deadline; None for that.
    """

    customer: str
    block: str
    send: str | None = None
    n: int | None = None
    explain: bool = False
    record: bool = True
    deadline_ms: int | None = None


# Those with `gc=False` are what pins are made of: tens of thousands of them live in every process,
# and each look of the garbage collector at them all would hold up every answer for a tenth of a
# second. None of them can be a part of a circle.
class Because(msgspec.Struct, frozen=True, gc=False):
    """The item of the customer's history that spoke most for a recommended one.

    Attributes:
        kind: What the customer did with it: `bought`, `viewed`, `carted` …
        item: Its id.
    """

    kind: str
    item: str


def slate_id() -> str:
    """A name for a new slate."""
    return f"sl_{token()}"


def because_of(kind: str, item: str) -> Because:
    """What speaks for an item, as a mail may say it.

    Args:
        kind: The event's type.
        item: The id of the item that the customer did it with.
    """
    return Because(KINDS.get(kind, str(kind)), item)


class Moved(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """How the block's rules, and overrides, moved an item.

    Attributes:
        from_position: Where its rung would show it without them, from 1; None when it would not.
        rules: Those that put it before others, or others before it.
        overrides: The same of overrides: `pin`, `boost`.
    """

    from_position: int | None
    rules: tuple[RuleName, ...]
    overrides: tuple[Action, ...] = ()


class Pick(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One chosen item, before it is drawn.

    Attributes:
        item: Its id.
        because: What spoke for it.
        moved: How rules moved it; None when they did not.
    """

    item: str
    because: Because | None = None
    moved: Moved | None = None


class Choice(msgspec.Struct, frozen=True, gc=False):
    """A slate as it is pinned: what was chosen, not how it looks.

    Attributes:
        slate: The slate's id.
        served_by: The best rung that gave an item.
        reason: Why not `model`, or why others had to fill up.
        model: The version that ranked, like `recommender/12`; None where none did.
        picks: The chosen items, best first.
        at: When it was settled, seconds since 1970; 0 before.
    """

    slate: str
    served_by: Rung
    reason: str | None
    model: str | None
    picks: tuple[Pick, ...]
    at: int = 0


class SlateItem(msgspec.Struct, frozen=True, kw_only=True):
    """One item of an answer, with all that a template prints.

    How rules moved it is there only when that was asked for.
    """

    position: int
    id: str
    title: str
    url: str
    image_url: str
    price: float | None
    currency: str | None
    because: Because | None
    brand: str | None = None
    categories: tuple[str, ...] = ()
    attributes: dict[str, str] = {}
    moved: Moved | msgspec.UnsetType | None = msgspec.UNSET


class Slate(msgspec.Struct, frozen=True, kw_only=True):
    """The ordered items answered for one (customer, block, send), and where they came from."""

    slate: str
    customer: str
    block: str
    send: str | None
    served_by: Rung
    reason: str | None
    model: str | None
    count: int
    items: tuple[SlateItem, ...]


def draw(
    item: Item,
    position: int,
    because: Because | None = None,
    moved: Moved | msgspec.UnsetType | None = msgspec.UNSET,
) -> SlateItem:
    """An item as an answer shows it, positions from 1."""
    return SlateItem(
        position=position,
        id=item.id,
        title=item.title,
        url=item.url,
        image_url=item.image_url,
        price=item.price,
        currency=item.currency,
        because=because,
        brand=item.brand,
        categories=item.categories,
        attributes=item.attributes,
        moved=moved,
    )
