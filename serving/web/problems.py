"""Every refusal as a problem document (RFC 9457)."""

from __future__ import annotations

from functools import cache
from http import HTTPStatus

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from features.errors import (
    Forbidden,
    HomingError,
    InputError,
    NotFound,
    Problem,
    Refused,
    TooLarge,
    Unauthenticated,
    Unavailable,
    shorten,
)

PROBLEM = "application/problem+json"
RETRY_SECONDS = "1"

# The first that fits; subclasses stand before their parents.
_STATUS: tuple[tuple[type[HomingError], int], ...] = (
    (NotFound, 404),
    (TooLarge, 413),
    (InputError, 422),
    (Unauthenticated, 401),
    (Forbidden, 403),
    (Refused, 409),
    (Unavailable, 503),
)


class ProblemDocument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What went wrong, for a machine and for a person.

    Attributes:
        type: A name of the kind of problem.
        title: The kind of problem, for a person.
        status: The HTTP status.
        detail: This problem, with the cure.
        problems: All that is wrong with an input.
    """

    type: str
    title: str
    status: int
    detail: str
    problems: tuple[Problem, ...] = ()


def problem_of(error: HomingError) -> tuple[ProblemDocument, dict[str, str]]:
    """The document and the headers for an error."""
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    headers = {}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="homing", Basic realm="homing"'
    elif status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = RETRY_SECONDS
    elif status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        # The rest of the body is not read: the connection can't carry another request.
        headers["Connection"] = "close"
    document = ProblemDocument(
        type=f"urn:homing:problem:{_kebab(type(error).__name__)}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=str(error),
        problems=error.problems if isinstance(error, InputError) else (),
    )
    return document, headers


def internal() -> ProblemDocument:
    """The document for an error that nobody foresaw; it tells nothing of the inside."""
    detail = "an error that nobody foresaw; the log names it by this response's X-Request-ID"
    return ProblemDocument(
        type="urn:homing:problem:internal-error",
        title="Internal Server Error",
        status=500,
        detail=detail,
    )


def respond(document: ProblemDocument, headers: dict[str, str] | None = None) -> Response:
    """A document as a response."""
    body = msgspec.json.encode(document)
    return Response(body, document.status, headers, media_type=PROBLEM)


async def on_homing_error(_: Request, error: Exception) -> Response:
    """The response for a declared error."""
    if not isinstance(error, HomingError):
        raise error
    return respond(*problem_of(error))


async def on_http_error(request: Request, error: Exception) -> Response:
    """The response for what the framework refuses: no such path, no such method."""
    if not isinstance(error, HTTPException):
        raise error
    phrase = HTTPStatus(error.status_code).phrase
    cure = "see /openapi.json for what there is"
    path: str = request.scope["path"]  # `request.url` fails where the query is not UTF-8
    document = ProblemDocument(
        type="about:blank",
        title=phrase,
        status=error.status_code,
        detail=f"{request.method} {shorten(_unnamed(path))}: {phrase.lower()}; {cure}",
    )
    return respond(document, dict(error.headers or {}))


async def on_unforeseen(_: Request, __: Exception) -> Response:
    """The response for any other error; the framework raises it again, to be logged outside."""
    return respond(internal())


def _unnamed(path: str) -> str:
    """A path without what may name a customer."""
    return "/v1/customers/…" if path.startswith("/v1/customers/") else path


@cache
def _kebab(name: str) -> str:
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name)[1:]
