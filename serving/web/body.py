"""Bodies: read up to a limit, decoded by msgspec, answered by msgspec."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from features.errors import InvalidArgument, Problem, TooLarge
from features.event import decode_json, schema_problem

MAX_BODY = 1024 * 1024
"""Bytes of a request's body."""

_Wanted = TypeVar("_Wanted")
_encoder = msgspec.json.Encoder()


def too_large() -> TooLarge:
    """The error for a body beyond the limit."""
    problem = Problem(
        index=None,
        field="body",
        value=f"more than {MAX_BODY} bytes",
        reason="too large",
        cure="send it in several requests",
    )
    return TooLarge([problem])


async def read_body(request: Request) -> bytes:
    """The body, whole.

    Raises:
        TooLarge: It is longer than `MAX_BODY`; the rest was not read.
        InvalidArgument: The caller hung up before its end.
    """
    parts: list[bytes] = []
    length = 0
    try:
        async for part in request.stream():
            length += len(part)
            if length > MAX_BODY:
                raise too_large()
            parts.append(part)
    except ClientDisconnect as error:
        # Nobody reads this any more, but it is the caller's fault and no error of ours.
        reason, cure = "cut off after so many bytes", "send it whole"
        raise InvalidArgument.of(length, field="body", reason=reason, cure=cure) from error
    return b"".join(parts)


def convert(body: bytes, wanted: type[_Wanted]) -> _Wanted:
    """The body as a declared type.

    Raises:
        InvalidEvent: It is not JSON.
        InvalidArgument: It is JSON of another shape.
    """
    raw = decode_json(body)
    try:
        return msgspec.convert(raw, wanted)
    except msgspec.ValidationError as error:
        raise InvalidArgument([schema_problem(raw, str(error))]) from error


def answer(value: object, status: int = 200) -> Response:
    """A value as a JSON response."""
    return Response(_encoder.encode(value), status, media_type="application/json")
