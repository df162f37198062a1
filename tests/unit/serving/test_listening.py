"""What a scorer listens on is bound before it is built."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from features.errors import SettingsError
from serving.listening import bind, close, refuse_new, shared, stop_listening

NO_FAMILY = (9_999, socket.SOCK_STREAM, 0, "", ("::1", 0))
"""Of an address like that of IPv6 on a machine without it."""


def test_a_kind_of_address_that_the_machine_lacks_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = socket.getaddrinfo

    def more(host: str, port: int, *, type: int, flags: int) -> list[object]:  # noqa: A002 - its
        return [NO_FAMILY, *known(host, port, type=type, flags=flags)]

    monkeypatch.setattr(socket, "getaddrinfo", more)
    sockets = bind("127.0.0.1", 0)
    assert [bound.family for bound in sockets] == [socket.AF_INET]
    close(sockets)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=rf"HOMING_PORT {port} .* already in use"):
            bind("127.0.0.1", port)


def test_a_host_that_is_none_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"HOMING_HOST \.\. .* not a host"):
        bind("..", 0)


def test_all_addresses_of_both_kinds_can_have_the_same_port() -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    four = bind("0.0.0.0", 0)  # noqa: S104 - what an image listens on
    six = bind("::", four[0].getsockname()[1])
    assert [bound.family for bound in (*four, *six)] == [socket.AF_INET, socket.AF_INET6]
    close([*four, *six])


def test_no_connection_begins_any_more_and_those_that_began_are_there() -> None:
    (bound,) = bind("127.0.0.1", 0)
    bound.listen()
    address = bound.getsockname()
    with socket.create_connection(address, timeout=1) as early:
        early.sendall(b"a request")
        refuse_new([bound])
        with pytest.raises(TimeoutError):
            socket.create_connection(address, timeout=0.2)
        # Not handed over yet, and its request not yet read: neither is lost.
        bound.settimeout(1)
        accepted, _ = bound.accept()
        assert accepted.recv(100) == b"a request"
        accepted.sendall(b"an answer")
        assert early.recv(100) == b"an answer"
        accepted.close()
    close([bound])


def test_who_is_refused_is_told_so_once_the_socket_is_closed() -> None:
    (bound,) = bind("127.0.0.1", 0)
    bound.listen()
    address = bound.getsockname()
    refuse_new([bound])
    found: list[BaseException] = []

    def come() -> None:
        try:
            socket.create_connection(address, timeout=5).close()
        except OSError as error:
            found.append(error)

    thread = threading.Thread(target=come)
    thread.start()
    time.sleep(0.1)
    close([bound])
    thread.join()
    assert [type(error) for error in found] == [ConnectionRefusedError]


def test_sockets_that_are_closed_already_stop_nobody() -> None:
    (bound,) = bind("127.0.0.1", 0)
    close([bound])
    refuse_new([bound])


def test_connections_are_dealt_out_among_sockets_that_share_an_address() -> None:
    one, other = (bound for (bound,) in shared(bind("127.0.0.1", 0), 2))
    for bound in (one, other):
        bound.listen()
    made = [socket.create_connection(one.getsockname(), timeout=1) for _ in range(64)]
    dealt = [accepted(bound) for bound in (one, other)]
    assert sum(dealt) == 64
    assert min(dealt) > 10
    close([*made, one, other])


def accepted(bound: socket.socket) -> int:
    """How many connections wait there."""
    number = 0
    while True:
        try:
            bound.accept()[0].close()
        except BlockingIOError:
            return number
        number += 1


def test_who_stops_listening_is_dealt_no_connection_until_it_listens_again() -> None:
    one, other = (bound for (bound,) in shared(bind("127.0.0.1", 0), 2))
    for bound in (one, other):
        bound.listen()
    stop_listening([one])
    made = [socket.create_connection(one.getsockname(), timeout=1) for _ in range(16)]
    assert accepted(other) == 16
    one.listen()
    made += [socket.create_connection(one.getsockname(), timeout=1) for _ in range(32)]
    assert accepted(one) > 0
    stop_listening([one, other])
    stop_listening([one, other])
    close([*made, one, other])


def test_an_address_that_somebody_has_taken_meanwhile_is_said() -> None:
    taken = bind("127.0.0.1", 0)
    again = [socket.fromfd(bound.fileno(), bound.family, bound.type) for bound in taken]
    again[0].listen()
    with pytest.raises(SettingsError, match="HOMING_PORT"):
        shared(taken, 2)
    close(again)
