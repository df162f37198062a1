"""Bodies that came compressed, read up to the same limit as others."""

from __future__ import annotations

import zlib
from typing import Final

from features.errors import InvalidArgument
from serving.web.body import MAX_BODY, too_large

_GZIP: Final = 16 + zlib.MAX_WBITS


def unzipped(body: bytes, encoding: str) -> bytes:
    """A body as it was before it was compressed.

    Args:
        body: As it came.
        encoding: The header `Content-Encoding`.

    Raises:
        TooLarge: It would be longer than `MAX_BODY`; no more than that was made of it.
        InvalidArgument: It is not what the header says, or compressed otherwise than by gzip.
    """
    encoding = encoding.strip().lower()
    if encoding in {"", "identity"}:
        return body
    if encoding not in {"gzip", "x-gzip"}:
        raise _unusable(encoding, "an unknown way to compress", "send gzip")
    reader = zlib.decompressobj(_GZIP)
    try:
        plain = reader.decompress(body, MAX_BODY + 1)
    except zlib.error as error:
        cure = "compress it, or leave the header out"
        raise _unusable(value="gzip", reason="the body is not", cure=cure) from error
    if len(plain) > MAX_BODY:
        raise too_large()
    if not reader.eof:
        raise _unusable(value="gzip", reason="the body is cut off", cure="send it whole")
    if reader.unused_data:
        cure = "compress all of it in one piece"
        raise _unusable(value="gzip", reason="the body goes on behind its end", cure=cure)
    return plain


def _unusable(value: str, reason: str, cure: str) -> InvalidArgument:
    return InvalidArgument.of(value, field="content-encoding", reason=reason, cure=cure)
