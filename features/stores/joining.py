"""What a fold makes of the profiles that are kept, whatever keeps them.

Most customers are named by no `identify` event: their history is joined, and that is all. Of the
others a store keeps besides what was told under each key by itself (`Own`), so that whose alias a
key is may still change when an earlier event comes late. What answers, the *seen* history, is that
of a customer and all aliases together; an alias has none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain
from typing import NamedTuple, Protocol

from features.alias import Identified, Own, root_of
from features.profile import History


class Told(Protocol):
    """What is kept, read within the change that is being made."""

    def seen(self, customers: Collection[str]) -> Iterator[tuple[str, History]]:
        """Each of them in turn, and the history that answers: the empty one where none does.

        They are read at once and decoded one by one, so that only one is in memory.
        """
        ...

    def own(self, customers: Collection[str]) -> dict[str, Own]:
        """What was told under each key, of those whom an `identify` names."""
        ...

    def aliases(self, customers: Collection[str]) -> set[str]:
        """The keys whose owner is one of these."""
        ...


class Change(NamedTuple):
    """What is to be written.

    Attributes:
        seen: Customer keys, each with the history that answers; to be gone through once, which
            decodes and joins them one by one and raises what `Told.seen` does.
        gone: Keys that answer no more: their profiles go, published half and all.
        own: Customer key → what was told under it.
        owners: Keys among `own` whose owner has changed → who was the owner, and who is.
    """

    seen: Iterable[tuple[str, History]] = ()
    gone: Collection[str] = ()
    own: Mapping[str, Own] = {}
    owners: Mapping[str, tuple[str | None, str | None]] = {}


def folded(
    told: Told, histories: Mapping[str, History], identified: Mapping[str, Identified]
) -> Change:
    """What folding makes of what is kept.

    Args:
        told: What is kept.
        histories: Customer key → what was done.
        identified: Customer key → what was said of who it is.
    """
    known = told.own(histories.keys() | identified.keys())
    tied = known.keys() | identified.keys()
    kept = told.seen(sorted(histories.keys() - tied))
    seen = ((key, history.join(histories[key])) for key, history in kept)
    if not tied:
        return Change(seen)
    nobody = Identified()
    news = {key: Own(histories.get(key, _NOTHING), identified.get(key, nobody)) for key in tied}
    change = _Ties(told, known, news).change()
    return change._replace(seen=chain(seen, change.seen))


class Forgotten(NamedTuple):
    """What is to be dropped when a customer is forgotten.

    Attributes:
        keys: The customer and all aliases: all that is kept under them goes.
        owner: Whose alias the customer was, if anybody's.
        change: What stays of the one who the customer was an alias of.
    """

    keys: frozenset[str]
    owner: str | None
    change: Change


def forgotten(told: Told, customer: str) -> Forgotten:
    """Who goes with a customer, and what stays of the one whose alias the customer was."""
    below = told.own([customer])
    owner = below[customer].identified.owner if customer in below else None
    _add_aliases(told, below)
    keys = frozenset({customer, *below})
    if owner is None:
        return Forgotten(keys, None, Change())
    person: dict[str, Own] = {}
    key: str | None = owner
    while key is not None and key not in person:
        person |= told.own([key])
        key = person[key].identified.owner if key in person else None
    _add_aliases(told, person)
    left = {key: one for key, one in person.items() if key not in keys}
    return Forgotten(keys, owner, _shown(_joined(left)))


class _Ties:
    """A fold among keys that `identify` events name.

    Args:
        told: What is kept.
        known: Of these, what was told under them.
        news: Customer key → what comes to it.
    """

    def __init__(self, told: Told, known: Mapping[str, Own], news: Mapping[str, Own]) -> None:
        self._told = told
        self._news = news
        self._known = dict(known)
        self._before: dict[str, Own] = {}
        self._after: dict[str, Own] = {}
        self._load(news.keys())

    def change(self) -> Change:
        before, after = self._before, self._after
        owners = {
            key: (before[key].identified.owner, after[key].identified.owner)
            for key in after
            if before[key].identified.owner != after[key].identified.owner
        }
        left = any(was is not None for was, _ in owners.values())
        shown = self._anew() if left else self._grown()
        own = {key: one for key, one in after.items() if self._known.get(key) != one}
        return shown._replace(own=own, owners=owners)

    def _load(self, keys: Iterable[str]) -> None:
        """Take up keys, and all along their chains, before the fold and after it."""
        wanted = set(keys)
        while wanted:
            self._known |= self._told.own(wanted - self._known.keys())
            first = wanted - self._known.keys()
            seen = dict(self._told.seen(first))
            for key in wanted:
                one = Own(seen[key]) if key in seen else self._known[key]
                self._before[key] = one
                self._after[key] = one.join(self._news[key]) if key in self._news else one
            owners = {
                one[key].identified.owner for key in wanted for one in (self._before, self._after)
            }
            wanted = {owner for owner in owners if owner is not None} - self._before.keys()

    def _grown(self) -> Change:
        """Nobody lost an alias: what was seen is joined, and what is new, to whom it is of now."""
        roots = {key for key, one in self._before.items() if one.identified.owner is None}
        news = ((key, one.history) for key, one in self._news.items())
        whole: dict[str, History] = dict.fromkeys(self._after, _NOTHING)
        for key, history in chain(self._told.seen(roots), news):
            root = root_of(key, self._after)
            whole[root] = whole[root].join(history)
        return _shown(whole)

    def _anew(self) -> Change:
        """Somebody lost an alias: all that they are made of is put together again."""
        everyone = {**self._before}
        _add_aliases(self._told, everyone)
        return _shown(_joined({**everyone, **self._after}))


def _add_aliases(told: Told, own: dict[str, Own]) -> None:
    """Take up all aliases of those who are there, and theirs."""
    wanted = set(own)
    while wanted:
        wanted = told.aliases(wanted) - own.keys()
        own |= told.own(wanted)


def _joined(own: Mapping[str, Own]) -> dict[str, History]:
    """What each is made of with all aliases; nothing for an alias."""
    whole = dict.fromkeys(own, _NOTHING)
    for key, one in own.items():
        root = root_of(key, own)
        whole[root] = whole[root].join(one.history)
    return whole


def _shown(whole: Mapping[str, History]) -> Change:
    seen = {key: history for key, history in whole.items() if history != _NOTHING}
    return Change(seen.items(), whole.keys() - seen.keys())


_NOTHING = History()
