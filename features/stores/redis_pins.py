"""Pinned slates in Redis or Valkey.

Keys: the hash `homing:pins:CUSTOMER:SEND`, block → expiry and slate, and the sorted set
`homing:sends:CUSTOMER`, which finds the hashes of a customer who is to be forgotten. Both expire
with their last pin; the time is the server's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from features.stores.redis import RedisServer

# One step for the server: SET … NX EX GET for one field of a hash.
_PIN: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local kept = redis.call('HGET', KEYS[1], ARGV[1])
if kept then
    local mark = string.find(kept, ':', 1, true)
    if tonumber(string.sub(kept, 1, mark - 1)) > now then return string.sub(kept, mark + 1) end
end
local life = tonumber(ARGV[3]) * 1000
local expires = string.format('%.0f', now + life)
redis.call('HSET', KEYS[1], ARGV[1], expires .. ':' .. ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', now))
redis.call('ZADD', KEYS[2], 'GT', expires, KEYS[1])
for _, key in ipairs(KEYS) do
    if redis.call('PTTL', key) < life then redis.call('PEXPIRE', key, life) end
end
return ARGV[2]
"""


class RedisPins:
    """The `Pins` on Redis.

    Args:
        server: Where.
    """

    def __init__(self, server: RedisServer) -> None:
        self._server = server

    def of_send(self, customer: str, send: str) -> dict[str, bytes]:
        """Block → the pinned slate, encoded, of those that have not expired."""
        with self._server.asking() as client, client.pipeline(transaction=False) as pipeline:
            pipeline.time()
            pipeline.hgetall(_pins(customer, send))
            answer = pipeline.execute()
        seconds, micros = cast("tuple[int, int]", answer[0])
        now = seconds * 1000 + micros // 1000
        split = {
            block.decode(): kept.partition(b":")
            for block, kept in cast("dict[bytes, bytes]", answer[1]).items()
        }
        return {block: slate for block, (expires, _, slate) in split.items() if int(expires) > now}

    def pin(self, customer: str, send: str, block: str, slate: bytes, seconds: int) -> bytes:
        """Keep a slate for so many seconds, unless one is pinned; returns the one that is."""
        with self._server.asking() as client:
            script = client.register_script(_PIN)
            keys = [_pins(customer, send), _sends(customer)]
            return cast("bytes", script(keys=keys, args=[block, slate, seconds]))

    def forget(self, customer: str) -> bool:
        """Drop all pins of a customer; whether there were any."""
        with self._server.moving() as client:
            hashes = cast("list[bytes]", client.zrange(_sends(customer), 0, -1))
            return bool(client.delete(_sends(customer), *hashes))


def _pins(customer: str, send: str) -> str:
    return f"homing:pins:{customer}:{send}"


def _sends(customer: str) -> str:
    return f"homing:sends:{customer}"
