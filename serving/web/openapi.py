"""The OpenAPI document: shapes from the types that encode and decode, words from here."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from typing import Any

import msgspec

from features.cloudevents import CLOUDEVENT, CLOUDEVENT_BATCH
from features.event import MAX_EVENTS, WireEvent
from features.item import MAX_ITEMS, WireItem
from features.override import MAX_OVERRIDES, WireOverride
from features.sources.segment import METHODS
from serving.keys import Scope
from serving.ranking.blocks import MAX_SIZE
from serving.service import CustomerScores, Status
from serving.similar import Similar
from serving.slate import Slate
from serving.web.api import Accepted, Batch, BatchAsk
from serving.web.overrides import Dropped, OverrideList
from serving.web.problems import PROBLEM, ProblemDocument
from serving.web.tracking import Success
from serving.web.webhooks import Delivered

Json = dict[str, Any]

_REF = "#/components/schemas/{name}"
_TYPES = (
    Accepted,
    Batch,
    BatchAsk,
    CustomerScores,
    Delivered,
    Dropped,
    OverrideList,
    ProblemDocument,
    Similar,
    Slate,
    Status,
    Success,
    WireEvent,
    WireItem,
    WireOverride,
)
_PROBLEMS = {
    401: "no key, or none that is known",
    403: "the key lacks the scope",
    404: "no such thing",
    413: "the body or the list is too large",
    422: "an argument can't be used; `problems` lists all that is wrong",
    503: "a dependency does not answer; send the same again after `Retry-After` seconds",
}
_INDEX = "which rung served is in `served_by`, and why it was not the model in `reason`"


@cache
def describe(blocks: tuple[str, ...]) -> Json:
    """The document, made when it is first asked for: most processes never are.

    Args:
        blocks: Names of the configured blocks.
    """
    _, components = msgspec.json.schema_components(_TYPES, ref_template=_REF)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Homing",
            "version": version("homing"),
            "description": "The few items each customer will want next, for e-mail templates.",
        },
        "paths": _paths(blocks),
        "components": {"schemas": components, "securitySchemes": _SECURITY},
    }


_SECURITY: Json = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "`hk_<id>_<secret>`"},
    "basic": {"type": "http", "scheme": "basic", "description": "the key is the password"},
    "signedUrl": {
        "type": "apiKey",
        "in": "query",
        "name": "signature",
        "description": "HMAC-SHA256 over path and sorted query, with `key` and `expires`; GET only",
    },
}


def _paths(blocks: Sequence[str]) -> Json:
    return {
        "/v1/recommendations": {
            "get": _fetch(blocks),
            "post": _operation(
                "Slates for up to 1,000 customers",
                scope=Scope.RECOMMEND,
                answer=(200, Batch, f"one slate a customer, in their order; {_INDEX}"),
                body=_json(_ref(BatchAsk)),
                problems=(401, 403, 413, 422),
            ),
        },
        "/v1/items/{item}/similar": {
            "get": _operation(
                "Items like an item",
                scope=Scope.RECOMMEND,
                answer=(200, Similar, "best first"),
                parameters=[_path("item", "the item's id"), _count()],
                problems=(401, 403, 404, 422),
            )
        },
        "/v1/customers/{customer}/scores": {
            "get": _operation(
                "The scores that the pipeline last wrote of a customer",
                scope=Scope.RECOMMEND,
                answer=(200, CustomerScores, "scores, bands, features and the next-best action"),
                parameters=[_path("customer", "the shop's own id, or a customer key")],
                problems=(401, 403, 404, 422, 503),
            )
        },
        "/v1/events": {"post": _events()},
        "/v1/items": {"put": _items()},
        "/v1/overrides": _overrides(blocks),
        "/v1/overrides/{id}": {"delete": _drop()},
        "/v1/webhooks/{source}": {"post": _webhook()},
        **{f"/v1/{name}": {"post": _tracked(name)} for name in METHODS if len(name) > 1},
        "/healthz": {"get": _open("The process lives", None)},
        "/readyz": {"get": _ready()},
        "/metrics": {"get": _metrics()},
    }


def _fetch(blocks: Sequence[str]) -> Json:
    return _operation(
        "The slate of one customer for one block of one mail",
        scope=Scope.RECOMMEND,
        answer=(200, Slate, f"always, while the process lives; {_INDEX}"),
        parameters=[
            _query("customer", "the shop's own id, or a customer key", required=True),
            {**_query("block", "the place in the mail", required=True), "schema": _enum(blocks)},
            _query("send", "the mail's id; the same one always gets the same slate"),
            _count(),
            {**_query("explain", "1 to be told how rules moved items"), "schema": _enum("01")},
        ],
        problems=(401, 403, 422),
    )


def _events() -> Json:
    one = _ref(WireEvent)
    many = {"type": "array", "items": one, "maxItems": MAX_EVENTS}
    body = _json({"oneOf": [one, many]})
    body["content"][CLOUDEVENT] = {"schema": {"type": "object"}}
    body["content"][CLOUDEVENT_BATCH] = {"schema": {"type": "array", "items": {"type": "object"}}}
    return _operation(
        "Something happened: one event, a list, or CloudEvents",
        scope=Scope.EVENTS,
        answer=(202, Accepted, "all are durable; sending one again changes nothing"),
        body=body,
        problems=(401, 403, 413, 422, 503),
    )


def _items() -> Json:
    one = _ref(WireItem)
    many = {"type": "array", "items": one, "maxItems": MAX_ITEMS}
    return _operation(
        "Add or replace items of the catalogue",
        scope=Scope.CATALOGUE,
        answer=(200, Accepted, "the next answers show them"),
        body=_json({"oneOf": [one, many]}),
        problems=(401, 403, 413, 422, 503),
    )


def _overrides(blocks: Sequence[str]) -> Json:
    one = _ref(WireOverride)
    many = {"type": "array", "items": one, "maxItems": MAX_OVERRIDES}
    known = f"; blocks are {', '.join(blocks)}" if blocks else ""
    return {
        "get": _operation(
            "What persons decided about items and has not ended",
            scope=Scope.CATALOGUE,
            answer=(200, OverrideList, "in the order of their ids"),
            problems=(401, 403, 503),
        ),
        "put": _operation(
            "Pin, ban or boost items: add or replace overrides by their ids",
            scope=Scope.CATALOGUE,
            answer=(200, Accepted, f"the next answers obey{known}"),
            body=_json({"oneOf": [one, many]}),
            problems=(401, 403, 413, 422, 503),
        ),
    }


def _drop() -> Json:
    described = _operation(
        "Drop an override",
        scope=Scope.CATALOGUE,
        answer=(200, Dropped, "the next answers do without it"),
        parameters=[_path("id", "the override's id")],
        problems=(401, 403, 404, 503),
    )
    # Only what is read may be signed.
    described["security"] = [{scheme: []} for scheme in ("bearer", "basic")]
    return described


def _webhook() -> Json:
    described = _operation(
        "What a source pushes: docs/sources.md tells how each is set up",
        scope=Scope.EVENTS,
        answer=(200, Delivered, "all that can be read is durable; one that came before adds none"),
        parameters=[_path("source", "a source that is set up")],
        body={"content": {"*/*": {}}},
        problems=(401, 404, 413, 503),
    )
    described["description"] = "Verified by the source's own signature; no API key."
    described["security"] = []
    buried = "some parts can't be read; they are kept, and need not be sent again"
    described["responses"]["202"] = {**described["responses"]["200"], "description": buried}
    return described


def _tracked(method: str) -> Json:
    described = _operation(
        f"Segment's HTTP tracking API: {method}",
        scope=Scope.EVENTS,
        answer=(200, Success, "durable; what can't be read is kept apart"),
        body=_json({"type": "object"}),
        problems=(401, 403, 413, 422, 503),
    )
    described["description"] += " It is the user of Basic, or `writeKey` in the body."
    described["security"] = [{"basic": []}]
    return described


def _ready() -> Json:
    ready = _open("Whether answers can be given, and from what", Status)
    ready["responses"]["503"] = {**ready["responses"]["200"], "description": "not yet, or no more"}
    return ready


def _metrics() -> Json:
    described = _open("Metrics for Prometheus", None)
    described["responses"]["200"] = {
        "description": "text format",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    }
    return described


def _open(summary: str, answer: type | None) -> Json:
    schema = {"type": "object"} if answer is None else _ref(answer)
    content = {"application/json": {"schema": schema}}
    return {
        "summary": summary,
        "security": [],
        "responses": {"200": {"description": "yes", "content": content}},
    }


def _operation(
    summary: str,
    *,
    scope: Scope,
    answer: tuple[int, type, str],
    problems: Sequence[int],
    parameters: Sequence[Json] = (),
    body: Json | None = None,
) -> Json:
    status, shape, meaning = answer
    schemes = ["bearer", "basic"] + (["signedUrl"] if body is None else [])
    described: Json = {
        "summary": summary,
        "description": f"The key needs the scope `{scope}`.",
        "security": [{scheme: []} for scheme in schemes],
        "responses": {str(status): {"description": meaning, **_json(_ref(shape))}},
    }
    for problem in problems:
        described["responses"][str(problem)] = {
            "description": _PROBLEMS[problem],
            "content": {PROBLEM: {"schema": _ref(ProblemDocument)}},
        }
    if parameters:
        described["parameters"] = list(parameters)
    if body is not None:
        described["requestBody"] = {"required": True, **body}
    return described


def _ref(shape: type) -> Json:
    return {"$ref": _REF.format(name=shape.__name__)}


def _json(schema: Json) -> Json:
    return {"content": {"application/json": {"schema": schema}}}


def _query(name: str, meaning: str, *, required: bool = False) -> Json:
    return {
        "name": name,
        "in": "query",
        "required": required,
        "description": meaning,
        "schema": {"type": "string"},
    }


def _path(name: str, meaning: str) -> Json:
    return {**_query(name, meaning, required=True), "in": "path"}


def _count() -> Json:
    schema = {"type": "integer", "minimum": 1, "maximum": MAX_SIZE}
    return {**_query("n", "how many items"), "schema": schema}


def _enum(names: Sequence[str]) -> Json:
    return {"type": "string", "enum": list(names)}
