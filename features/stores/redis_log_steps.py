"""What the server does in one step for the log on Redis Streams: scripts in Lua.

A stream's ids are `0-1`, `0-2`, … without gaps, so that the last one and the length say how much
was trimmed. A reader is a consumer group of each stream; the group's last delivered id is the
reader's place, and `XINFO GROUPS` shows anybody its lag.
See <https://redis.io/docs/latest/commands/xadd/> and <https://redis.io/docs/latest/commands/xgroup-setid/>.
"""

from __future__ import annotations

from typing import Final

_PLACES: Final = """
local function field(found, name)
    for at = 1, #found, 2 do
        if found[at] == name then return found[at + 1] end
    end
end
local function number(id) return tonumber(string.match(id, '%-(%d+)$')) end
local function id(place) return string.format('0-%.0f', place) end
local function groups(stream)
    if redis.call('EXISTS', stream) == 0 then return {} end
    return redis.call('XINFO', 'GROUPS', stream)
end
local function place(stream, reader)
    for _, group in ipairs(groups(stream)) do
        if field(group, 'name') == reader then return number(field(group, 'last-delivered-id')) end
    end
end
local function know(stream, reader)
    local at = place(stream, reader)
    if at then return at end
    redis.call('XGROUP', 'CREATE', stream, reader, '0', 'MKSTREAM', 'ENTRIESREAD', 0)
    return 0
end
local function last(stream)
    if redis.call('EXISTS', stream) == 0 then return 0 end
    return number(field(redis.call('XINFO', 'STREAM', stream), 'last-generated-id'))
end
local function trimmed(stream) return last(stream) - redis.call('XLEN', stream) end
"""

APPEND: Final = """
local depth = 0
for _, stream in ipairs(KEYS) do depth = depth + redis.call('XLEN', stream) end
if depth + (#ARGV - 1) / 2 > tonumber(ARGV[1]) then return depth end
for at = 2, #ARGV, 2 do
    redis.call('XADD', KEYS[tonumber(ARGV[at])], '0-*', 'body', ARGV[at + 1])
end
return -1
"""
"""Streams; the most entries, then for each body the number of its stream and itself.

Returns -1, or how many entries there are when there is no room: then none was kept.
"""

SHARE: Final = (
    _PLACES
    + """
local members, count = KEYS[1], (#KEYS - 1) / 2
local reader, me, life = ARGV[1], ARGV[2], tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', members, '-inf', string.format('%.0f', now))
redis.call('ZADD', members, string.format('%.0f', now + life), me)
redis.call('PEXPIRE', members, life)
local fair = math.ceil(count / redis.call('ZCARD', members))
local mine, free = {}, {}
for at = 1, count do
    local owner = redis.call('GET', KEYS[1 + count + at])
    if owner == me then table.insert(mine, at) elseif not owner then table.insert(free, at) end
end
while #mine > fair do redis.call('DEL', KEYS[1 + count + table.remove(mine)]) end
while #mine < fair and #free > 0 do table.insert(mine, table.remove(free, 1)) end
local found = {}
for at = 1, count do know(KEYS[1 + at], reader) end
for _, at in ipairs(mine) do
    local stream = KEYS[1 + at]
    redis.call('SET', KEYS[1 + count + at], me, 'PX', life)
    table.insert(found, {at, math.max(place(stream, reader), trimmed(stream)), last(stream)})
end
return found
"""
)
"""The reader's members, streams, a lease for each; reader, who asks, milliseconds of a lease.

Every member gets its fair part of the streams, once others have given theirs back or died.
Returns for each stream that is leased to who asks: its number, the reader's place, its last place.
"""

LEAVE: Final = """
redis.call('ZREM', KEYS[1], ARGV[1])
for at = 2, #KEYS do
    if redis.call('GET', KEYS[at]) == ARGV[1] then redis.call('DEL', KEYS[at]) end
end
"""
"""The reader's members, leases; who leaves."""

COMMIT: Final = (
    _PLACES
    + """
local reader = ARGV[1]
for _, stream in ipairs(KEYS) do know(stream, reader) end
for at = 2, #ARGV, 2 do
    local stream, to = KEYS[tonumber(ARGV[at])], tonumber(ARGV[at + 1])
    if to > place(stream, reader) then
        redis.call('XGROUP', 'SETID', stream, reader, id(to), 'ENTRIESREAD', to)
    end
end
"""
)
"""Streams; reader, then the number of a stream and the place to move to, any number of times."""

DEPTH: Final = (
    _PLACES
    + """
local depth = 0
for _, stream in ipairs(KEYS) do
    depth = depth + last(stream) - math.max(place(stream, ARGV[1]) or 0, trimmed(stream))
end
return depth
"""
)
"""Streams; reader. Returns how many entries it has not committed."""

TRIM: Final = (
    _PLACES
    + """
local dropped = 0
for _, stream in ipairs(KEYS) do
    local least
    for _, group in ipairs(groups(stream)) do
        local at = number(field(group, 'last-delivered-id'))
        least = math.min(least or at, at)
    end
    if least then
        least = math.min(least, trimmed(stream) + tonumber(ARGV[1]))
        dropped = dropped + redis.call('XTRIM', stream, 'MINID', '=', id(least + 1))
    end
end
return dropped
"""
)
"""Streams; how many entries to drop of each at most. Returns how many were dropped of all."""

BURY: Final = """
local reason, source, at = ARGV[1], ARGV[2], ARGV[3]
for place = 4, #ARGV, 2 do
    local body, digest = ARGV[place], ARGV[place + 1]
    if redis.call('SADD', KEYS[2], digest) == 1 then
        redis.call('XADD', KEYS[1], '0-*', 'body', body, 'reason', reason, 'source', source,
            'at', at, 'digest', digest)
    end
end
"""
"""Dead letters and their digests; reason, source, seconds since 1970, then bodies and digests."""

REMOVE_DEAD: Final = """
for _, number in ipairs(ARGV) do
    local id = '0-' .. number
    for _, letter in ipairs(redis.call('XRANGE', KEYS[1], id, id)) do
        for at = 1, #letter[2], 2 do
            if letter[2][at] == 'digest' then redis.call('SREM', KEYS[2], letter[2][at + 1]) end
        end
        redis.call('XDEL', KEYS[1], id)
    end
end
"""
"""Dead letters and their digests; the numbers of those to remove."""
