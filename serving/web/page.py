"""The page at `/`: a mail for any customer, beside what its template asked and was answered.

It shows customers' history without a key, so it is mounted only where `HOMING_PAGE` says so: the
demo, on this machine's own address.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from features.clock import Clock
from features.errors import HomingError
from features.event import Event, EventType, parse_event
from features.identity import CustomerKeys
from features.item import Item
from features.profile import Profile
from features.stores.opening import Stores
from serving.service import Service
from serving.slate import Ask, Slate, SlateItem
from serving.web.drawn import TEMPLATES
from serving.web.middleware import Named

LISTED = 50
"""Customers in the choice."""
RECENT = 8
"""Interactions that are shown."""
MAX_FORM = 4_096
"""Bytes of a form."""
SETTLES = 0.4
"""Seconds that an event has to reach the profile before the next answer is shown."""
DONE = {"purchase": "bought", "view": "viewed", "cart": "put into the cart", "return": "returned"}
COLOURS = ("#8a3d0c", "#3f5d45", "#34506b", "#6b3a58", "#7a5a12", "#2f5f66")


class Page:
    """The page's three routes.

    Args:
        service: Answers as it answers templates.
        stores: Whose customers can be chosen.
        keys: Turns a shop's customer id into a key.
        clock: Dates the purchases that the page makes.
    """

    def __init__(self, service: Service, stores: Stores, keys: CustomerKeys, clock: Clock) -> None:
        self._service = service
        self._stores = stores
        self._keys = keys
        self._clock = clock

    def routes(self) -> list[Named]:
        """What to mount."""
        return [
            Named("/", self.show, methods=["GET"], include_in_schema=False),
            Named("/", self.find, methods=["POST"], include_in_schema=False),
            Named("/purchase", self.buy, methods=["POST"], include_in_schema=False),
        ]

    async def show(self, request: Request) -> Response:
        """The page for the customer, block and send of the query."""
        query = request.query_params
        blocks = self._service.status().blocks
        listed = await asyncio.to_thread(self._listed)
        customer = query.get("customer") or (listed[0].customer if listed else "")
        block = query.get("block") or blocks[0]
        send = query.get("send") or f"preview-{secrets.token_hex(3)}"
        view = _form(customer, block, send, blocks, [_choice(profile) for profile in listed])
        if not customer:
            return _html(view | {"alert": "No customer is known yet: homing import, then retrain."})
        try:
            began = time.perf_counter()
            customer = self._keys.resolve(customer)
            answer = await self._service.recommend(Ask(customer=customer, block=block, send=send))
            spent = (time.perf_counter() - began) * 1_000
        except HomingError as error:
            return _html(view | {"alert": str(error)}, status=422)
        profile, titles = await asyncio.to_thread(self._known, customer, answer)
        return _html(view | {"customer": customer} | _answered(answer, spent, profile, titles))

    async def find(self, request: Request) -> Response:
        """From a shop's own customer id, sent in a form so that no URL holds it, to the page."""
        form = await _read_form(request)
        try:
            customer = self._keys.resolve(form.get("outside", ""))
        except HomingError:
            customer = ""
        return _to_page(customer, form.get("block", ""))

    async def buy(self, request: Request) -> Response:
        """Send a purchase as a shop would, then show the next mail."""
        form = await _read_form(request)
        try:
            event = self._purchase(form.get("customer", ""), form.get("item", ""))
            await self._service.accept([event])
        except HomingError as error:
            return Response(str(error), status_code=422, media_type="text/plain")
        await asyncio.sleep(SETTLES)
        return _to_page(event.customer, form.get("block", ""))

    def _purchase(self, customer: str, item: str) -> Event:
        """A purchase as a shop would write it."""
        now = self._clock.now()
        written = {
            "id": f"page-{secrets.token_hex(8)}",
            "type": EventType.PURCHASE,
            "customer": customer,
            "occurred_at": now,
            "item": item,
            "source": "page",
        }
        return parse_event(written, self._keys, now)

    def _listed(self) -> list[Profile]:
        """The first customers of the store; none while it is down."""
        try:
            known = self._stores.profiles.customers(limit=LISTED)
            return list(self._stores.profiles.get_many(known).values())
        except HomingError:
            return []

    def _known(self, customer: str, answer: Slate) -> tuple[Profile, Mapping[str, Item]]:
        """The profile, and the items that the page names; neither while the store is down."""
        try:
            profile = self._stores.profiles.get(customer) or Profile(customer)
            named = {done.item for done in profile.history.interactions[-RECENT:]}
            named |= {item.because.item for item in answer.items if item.because}
            return profile, self._stores.catalogue.get_many(sorted(named))
        except HomingError:
            return Profile(customer), {}


def _choice(profile: Profile) -> dict[str, str]:
    owned = len(profile.history.owned())
    segment = profile.published.segment or "no segment"
    return {"key": profile.customer, "label": f"{profile.customer[3:11]}: {owned} items, {segment}"}


def _form(
    customer: str, block: str, send: str, blocks: Sequence[str], customers: list[dict[str, str]]
) -> dict[str, object]:
    """What the page shows with or without an answer."""
    return {
        "customer": customer,
        "block": block,
        "send": send,
        "blocks": blocks,
        "customers": customers,
        "alert": None,
        "answer": None,
    }


def _answered(
    answer: Slate, spent: float, profile: Profile, titles: Mapping[str, Item]
) -> dict[str, object]:
    """What the page shows of an answer.

    Args:
        answer: The slate.
        spent: Milliseconds it took.
        profile: Of its customer.
        titles: Items that the history and the reasons name.
    """
    drawn = [_drawn(item, titles) for item in answer.items]
    query = urlencode({"customer": answer.customer, "block": answer.block, "send": answer.send})
    built = json.loads(msgspec.json.encode(answer))
    heading = "Picked for you" if answer.served_by in {"model", "profile"} else "Much loved now"
    history = profile.history.interactions[-RECENT:]
    return {
        "answer": answer,
        "milliseconds": spent,
        "items": drawn,
        "mail": TEMPLATES.get_template("email.html").render(items=drawn, heading=heading),
        "asked": f"GET /v1/recommendations?{query}\nAuthorization: Bearer hk_…",
        "pretty": json.dumps(built, indent=2, ensure_ascii=False),
        "segment": profile.published.segment,
        "contactable": profile.history.contactable(),
        "scores": [
            (name, f"{value:.2f} ({profile.published.bands.get(name, '')})")
            for name, value in profile.published.scores.items()
        ],
        "recent": [
            {
                "what": DONE.get(done.type, done.type.replace("_", " ")),
                "title": titles[done.item].title if done.item in titles else done.item,
                "when": f"{datetime.fromtimestamp(done.at, UTC):%d %b %Y}",
            }
            for done in reversed(history)
        ],
    }


def _drawn(item: SlateItem, titles: Mapping[str, Item]) -> dict[str, object]:
    """An item as the mail's template reads it."""
    because = ""
    if item.because is not None:
        other = titles.get(item.because.item)
        name = other.title if other else item.because.item
        because = f"because you {item.because.kind} {name}"
    number = int.from_bytes(hashlib.blake2b(item.id.encode(), digest_size=2).digest(), "big")
    price = "" if item.price is None else f"{item.price:.2f} {item.currency or ''}".strip()
    return {
        **msgspec.structs.asdict(item),
        "because_text": because,
        "price_text": price,
        "colour": COLOURS[number % len(COLOURS)],
        "initials": _initials(item.title),
    }


def _initials(title: str) -> str:
    """What stands for a picture that an item has not got."""
    return "".join(word[0] for word in title.split() if word[0].isalnum())[:2].upper()


async def _read_form(request: Request) -> dict[str, str]:
    """A small urlencoded form; empty when it is not one."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM:
            return {}
    try:
        return dict(parse_qsl(body.decode(), max_num_fields=10))
    except ValueError:
        return {}


def _to_page(customer: str, block: str) -> Response:
    query = urlencode({"customer": customer, "block": block})
    return RedirectResponse(f"/?{query}", status_code=303)


def _html(view: Mapping[str, object], status: int = 200) -> Response:
    # The mail's own styles are inline, as mail clients want them; nothing here runs a script.
    policy = (
        "default-src 'none'; style-src 'unsafe-inline'; img-src https: data:; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    page = TEMPLATES.get_template("page.html").render(view)
    return HTMLResponse(page, status, {"Content-Security-Policy": policy})
