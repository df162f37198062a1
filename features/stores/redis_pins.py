"""Pinned slates in Redis or Valkey.

Keys: the hash `homing:pins:CUSTOMER:SEND`, block → expiry and slate, and the sorted set
`homing:sends:CUSTOMER`, which finds the hashes of a customer who is to be forgotten. Both expire
with their last pin; the time is the server's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, cast

from features.stores.ports import NewPin

if TYPE_CHECKING:
    from features.stores.redis import RedisServer

Time = tuple[int, int]
"""The server's: seconds since 1970, and microseconds."""
Hash = dict[bytes, bytes]
"""Block → expiry and slate."""

# One step for the server: SET … NX EX GET for one field of a hash, for each pin. A pin has two
# keys, its hash and the customer's sorted set, and three arguments: block, slate, seconds.
_PIN: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local slates = {}
for place = 1, #KEYS / 2 do
    local pins, sends = KEYS[2 * place - 1], KEYS[2 * place]
    local block, slate = ARGV[3 * place - 2], ARGV[3 * place - 1]
    local life = tonumber(ARGV[3 * place]) * 1000
    local kept = redis.call('HGET', pins, block)
    local mark = kept and string.find(kept, ':', 1, true)
    if kept and tonumber(string.sub(kept, 1, mark - 1)) > now then
        slates[place] = string.sub(kept, mark + 1)
    else
        local expires = string.format('%.0f', now + life)
        redis.call('HSET', pins, block, expires .. ':' .. slate)
        redis.call('ZREMRANGEBYSCORE', sends, '-inf', string.format('%.0f', now))
        redis.call('ZADD', sends, 'GT', expires, pins)
        for _, key in ipairs({pins, sends}) do
            if redis.call('PTTL', key) < life then redis.call('PEXPIRE', key, life) end
        end
        slates[place] = slate
    end
end
return slates
"""


class RedisPins:
    """The `Pins` on Redis.

    Args:
        server: Where.
    """

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        with server.asking() as client:
            self._pin = client.register_script(_PIN)  # asks nothing of the server yet

    def of_send(self, customer: str, send: str) -> dict[str, bytes]:
        """Block → the pinned slate, encoded, of those that have not expired."""
        with self._server.asking() as client, client.pipeline(transaction=False) as pipeline:
            pipeline.time()
            pipeline.hgetall(pins_key(customer, send))
            time, kept = cast("tuple[Time, Hash]", pipeline.execute())
        return unexpired(time, kept)

    def pin(self, customer: str, send: str, block: str, slate: bytes, seconds: int) -> bytes:
        """Keep a slate for so many seconds, unless one is pinned; returns the one that is."""
        return self.pin_many([NewPin(customer, send, block, slate, seconds)])[0]

    def pin_many(self, pins: Sequence[NewPin]) -> list[bytes]:
        """Keep each unless one is pinned in its place; returns those that are."""
        if not pins:
            return []
        keys = [k for pin in pins for k in (pins_key(pin.customer, pin.send), _sends(pin.customer))]
        args = [arg for pin in pins for arg in (pin.block, pin.slate, pin.seconds)]
        with self._server.asking() as client:
            return cast("list[bytes]", self._pin(keys=keys, args=args, client=client))

    def forget(self, customer: str) -> bool:
        """Drop all pins of a customer; whether there were any."""
        with self._server.moving() as client:
            hashes = cast("list[bytes]", client.zrange(_sends(customer), 0, -1))
            return bool(client.delete(_sends(customer), *hashes))


def pins_key(customer: str, send: str) -> str:
    """The hash of a send's pins."""
    return f"homing:pins:{customer}:{send}"


def unexpired(time: Time, kept: Hash) -> dict[str, bytes]:
    """Block → slate, of those pins in a hash that had not expired at a time of the server."""
    seconds, micros = time
    now = seconds * 1000 + micros // 1000
    split = {block.decode(): pin.partition(b":") for block, pin in kept.items()}
    return {block: slate for block, (expires, _, slate) in split.items() if int(expires) > now}


def _sends(customer: str) -> str:
    return f"homing:sends:{customer}"
