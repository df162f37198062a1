"""The sockets that a scorer listens on, made before anything else and kept while workers change."""

from __future__ import annotations

import ctypes
import socket
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import chain, product
from typing import Any, Final

from features.errors import SettingsError

_ATTACH_FILTER: Final = 26
"""SO_ATTACH_FILTER of Linux; Python has no name for it."""
# Classic BPF (McCanne & Jacobson 1993) on a TCP segment: drop those that open a connection.
#   load the byte of flags · if SYN is set go on, else skip one · drop · take whole
_DROP_OPENINGS: Final = (
    (0x30, 0, 0, 13),
    (0x45, 0, 1, 0x02),
    (0x06, 0, 0, 0),
    (0x06, 0, 0, 0xFFFFFFFF),
)


def bind(host: str, port: int) -> list[socket.socket]:
    """Sockets bound to every address of a host, which don't listen yet.

    Args:
        host: A name or an address.
        port: Any free one when 0.

    Raises:
        SettingsError: There is no such host, or something else listens there.
    """
    sockets: list[socket.socket] = []
    try:
        for family, kind, number, _, place in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            try:
                bound = socket.socket(family, kind, number)
            except OSError:
                continue  # as asyncio does: names may stand for IPv6 where there is none
            sockets.append(bound)
            _bind(bound, place)
    except (OSError, UnicodeError) as error:
        close(sockets)
        reason = getattr(error, "strerror", None) or "not a host"
        message = (
            f"HOMING_HOST {host} and HOMING_PORT {port} can't be listened on: {reason}; choose "
            "others, or end what listens there"
        )
        raise SettingsError(message) from error
    return sockets


def shared(sockets: Sequence[socket.socket], count: int) -> list[list[socket.socket]]:
    """So many sockets on each of these addresses, among which the kernel deals connections out.

    They replace those that are given. Of one socket that several processes accept from, the first
    to wake would take nearly all.

    Raises:
        SettingsError: Something else has come to listen there.
    """
    addresses = [(bound.family, bound.getsockname()) for bound in sockets]
    close(sockets)
    made: list[list[socket.socket]] = [[] for _ in range(count)]
    try:
        for (family, place), of_one in product(addresses, made):
            bound = socket.socket(family, socket.SOCK_STREAM)
            of_one.append(bound)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            _bind(bound, place)
    except OSError as error:
        close(chain.from_iterable(made))
        message = f"HOMING_PORT: {error.strerror}; end what has just come to listen there"
        raise SettingsError(message) from error
    return made


def _bind(bound: socket.socket, place: Any) -> None:  # noqa: ANN401 - as the socket's family has it
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if bound.family == socket.AF_INET6:
        # The same port of IPv4 is another address of the host.
        bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    bound.bind(place)
    bound.settimeout(0)


def stop_listening(sockets: Iterable[socket.socket]) -> None:
    """Listen no more in any process, until one listens again; who waits there is turned away."""
    for bound in sockets:
        with suppress(OSError):  # it does not listen
            bound.shutdown(socket.SHUT_RDWR)


def refuse_new(sockets: Iterable[socket.socket]) -> None:
    """Let no new connection begin, in any process that shares the sockets.

    A listening socket that is closed drops the connections that it has not handed over yet, each
    with a request that somebody waits for. After this there will be none when it is closed. Only
    Linux can do it; elsewhere nothing happens, and a request of that last moment may be lost.
    """
    program = b"".join(
        code.to_bytes(2, "little") + bytes((then, other)) + value.to_bytes(4, "little")
        for code, then, other, value in _DROP_OPENINGS
    )
    kept = ctypes.create_string_buffer(program, len(program))
    described = _Program(len(_DROP_OPENINGS), ctypes.addressof(kept))
    for bound in sockets:
        try:
            bound.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, bytes(described))
        except OSError:
            continue


def close(sockets: Iterable[socket.socket]) -> None:
    """Let go of sockets; other processes that share them keep theirs."""
    for bound in sockets:
        bound.close()


class _Program(ctypes.Structure):
    """`struct sock_fprog` of Linux."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))
