"""One of several processes at one store: `python -m tests.integration.neighbours URL NUMBER`.

It waits for a line on standard input, so that all begin together on a file that is not there yet.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime

from features.event import EventType
from features.item import Item
from features.override import Action, Override
from features.profile import History, Interaction, Profile, Published
from features.stores.opening import open_stores

ROUNDS = 20
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SHARED = [f"ck_{number:032x}" for number in range(3)]


def folded(number: int, step: int) -> History:
    """What one process folds in one round."""
    item = f"item-{number}-{step}"
    at = 1_000 * number + step
    return History((Interaction(at, at, item, EventType.PURCHASE),), {item: at}, {}, {})


def main(url: str, number: int) -> None:
    """Fold, publish, write in bulk, pin, decide and change the catalogue, a few rounds."""
    stores = open_stores(url)
    sys.stdin.readline()
    own = [f"ck_{1_000 * (number + 1) + step:032x}" for step in range(500)]
    for step in range(ROUNDS):
        stores.profiles.fold(dict.fromkeys(SHARED, folded(number, step)))
        stores.profiles.publish({SHARED[0]: Published(at=step)})
        stores.profiles.put_many(Profile(key) for key in own)
        stores.catalogue.put_many([Item(id=f"item-{number}-{step}", title="Thing")])
        name = f"override-{number}-{step}"
        ban = Override(id=name, action=Action.BAN, item="thing", created_at=NOON)
        stores.catalogue.put_overrides([ban], NOON)
        stores.pins.pin(SHARED[1], "mail", f"block-{step}", b"%d" % number, 600)
    sys.stdout.write(" ".join(sorted(stores.pins.of_send(SHARED[1], "mail"))))
    stores.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
