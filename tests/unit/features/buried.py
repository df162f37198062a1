"""What the tests of dead letters share: a log with letters, and what reads them."""

from __future__ import annotations

import json

from features.clock import FixedClock
from features.event import Event
from features.identity import CustomerKeys
from features.letters import Letters
from features.settings import Settings
from features.sources.again import readers_of
from features.sources.opening import open_sources
from features.stores.codec import decode_event
from features.stores.opening import Stores, open_log, open_stores
from features.stores.ports import DeadLetter
from tests.unit.features.making import KEYS, NOW
from tests.unit.features.sources.test_opening import PEM

ENVIRON = {
    "HOMING_WEBHOOK_SENDGRID_SECRET": PEM,
    "HOMING_WEBHOOK_SHOPIFY_SECRET": "s",
    "HOMING_WEBHOOK_MANDRILL_SECRET": "s",
    "HOMING_WEBHOOK_KLAVIYO_SECRET": "s",
    "HOMING_WEBHOOK_CLOUDEVENTS_SECRET": "s",
    "HOMING_WEBHOOK_STANDARD_WEBHOOKS_SECRET": "whsec_c2VjcmV0",
}
TRACKED = {
    "type": "track",
    "event": "Products Searched",
    "userId": "7",
    "messageId": "m",
    "timestamp": NOW.isoformat(),
}
OURS = {"id": "e", "type": "search", "customer": "7", "occurred_at": NOW.isoformat()}


class World:
    """A log and stores in memory, and the letters of the log."""

    def __init__(self) -> None:
        self.clock = FixedClock(NOW)
        self.log = open_log("memory://", self.clock)
        self.stores: Stores = open_stores("memory://", self.clock)
        settings = Settings(public_url="https://a.example")
        readers = readers_of(open_sources(settings, ENVIRON), settings.segment_item)
        self.letters = Letters(
            self.log, readers, self.keys, lambda: self.stores.catalogue, self.clock
        )

    def keys(self) -> CustomerKeys:
        """What turns outside ids into customer keys."""
        return KEYS

    def bury(self, origin: str, body: bytes, reason: str = "why") -> DeadLetter:
        """The letter that was buried."""
        self.log.bury([body], reason, origin)
        return self.log.dead_letters()[-1]

    def resend(self, origin: str, payload: object) -> list[Event]:
        """What a buried part comes to when it is sent again."""
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        letter = self.bury(origin, body)
        said = self.letters.read(letter)
        assert said.reason == ""
        self.letters.send(letter, said)
        assert self.log.dead_letters() == []
        return [decode_event(entry.body) for entry in self.log.take("profiles", 10)]
