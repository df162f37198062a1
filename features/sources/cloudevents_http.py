"""CloudEvents over HTTP: our own events in binary, structured and batched mode.

Structured and batched bodies are what `POST /v1/events` takes, each event read on its own. In
binary mode the attributes stand in `ce-` headers, percent-encoded, and the body is `data`. The
sender shows a token, as the specification of web hooks has it.

Sources: "HTTP Protocol Binding for CloudEvents", version 1.0.2
(https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md);
"HTTP 1.1 Web Hooks for Event Delivery", section 3 on authorization
(https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/http-webhook.md).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Final
from urllib.parse import unquote_to_bytes

import msgspec

from features.cloudevents import CLOUDEVENT, CLOUDEVENT_BATCH, parse_cloudevents
from features.errors import InputError, Unauthenticated
from features.event import Event
from features.identity import CustomerKeys
from features.sources.reading import Gathered, Part, decoded, refused
from features.sources.signatures import any_bytes, is_any, secret_bytes
from features.sources.source import Delivery, Received

NAME: Final = "cloudevents"

_PREFIX: Final = "ce-"
_FORMATS: Final = "application/cloudevents"
"""What the media types of all formats of whole events begin with."""
_ESCAPED = re.compile(r"\\(.)")
_ANYTHING = msgspec.json.Decoder()
_BATCH = msgspec.json.Decoder(list[msgspec.Raw])


class CloudEvents:
    """Deliveries of CloudEvents.

    Args:
        secrets: Tokens that the sender shows: `Authorization: Bearer TOKEN`, or `access_token` in
            the address.

    Raises:
        SettingsError: There is none.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = secret_bytes(secrets, NAME)

    def verify(self, delivery: Delivery, now: datetime) -> None:  # noqa: ARG002 - a token has no time
        """See Source.verify."""
        scheme, _, token = delivery.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            token = delivery.query.get("access_token", "")
        if not is_any(any_bytes(token.strip()), self._secrets):
            message = "no token of this source: send Authorization: Bearer and the token"
            raise Unauthenticated(message)

    def read(self, delivery: Delivery, keys: CustomerKeys, now: datetime) -> Received:
        """See Source.read."""
        gathered, body = Gathered(), delivery.body
        kind = delivery.headers.get("content-type", "").partition(";")[0].strip().lower()
        try:
            if kind == CLOUDEVENT_BATCH:
                for part in decoded(body, _BATCH):
                    gathered.add(part, partial(_structured, part, keys, now))
            elif kind == CLOUDEVENT:
                gathered.add(body, partial(_structured, body, keys, now))
            elif kind.startswith(_FORMATS):
                reason = "a format of events that is not JSON"
                raise refused(field="", reason=reason, cure=f"send {CLOUDEVENT}")
            else:
                gathered.add(body, partial(_binary, delivery, kind, keys, now))
        except InputError as error:
            gathered.refuse(body, error)
        return gathered.received()


def _structured(part: Part, keys: CustomerKeys, now: datetime) -> list[Event]:
    return parse_cloudevents([decoded(part, _ANYTHING)], keys, now)


def _binary(delivery: Delivery, kind: str, keys: CustomerKeys, now: datetime) -> list[Event]:
    element: dict[str, object] = {
        name.removeprefix(_PREFIX): _attribute(name, value)
        for name, value in delivery.headers.items()
        if name.startswith(_PREFIX)
    }
    if kind:
        element["datacontenttype"] = kind
    if kind == "application/json" or kind.endswith("+json") or not kind:
        element["data"] = decoded(delivery.body, _ANYTHING)
    return parse_cloudevents([element], keys, now)


def _attribute(name: str, value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = _ESCAPED.sub(r"\1", value[1:-1])
    try:
        return unquote_to_bytes(any_bytes(value)).decode()
    except UnicodeDecodeError:
        raise refused(name, "not UTF-8", "percent-encode its UTF-8") from None
