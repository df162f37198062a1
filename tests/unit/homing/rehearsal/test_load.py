from __future__ import annotations

import socket
import time

import numpy as np
import pytest

from features.errors import Unavailable
from homing.rehearsal.load import Sending, closed_loop, evenly, open_loop, poisson
from homing.rehearsal.wire import Target
from tests.unit.homing.rehearsal.tiny import tiny_server, whole

FINE = whole()


def at_once(connection: socket.socket, _head: bytes) -> None:
    connection.sendall(FINE)


def test_a_closed_loop_asks_again_as_soon_as_it_is_answered() -> None:
    with tiny_server(at_once) as target:
        heard: list[bytes] = []
        sending = Sending(target, 3, heard=lambda _, __, body: heard.append(body))
        measured = closed_loop(sending, [target.request("/")], 0.2)
    assert len(measured.statuses) == len(heard) > 20
    assert set(heard) == {b"fine"}
    assert measured.figures().statuses == {"200": len(heard)}
    assert measured.rate == pytest.approx(len(heard) / measured.took)
    assert 0.1 < measured.took < 1.0


def test_an_open_loop_sends_every_request_once_in_its_turn() -> None:
    def echo(connection: socket.socket, head: bytes) -> None:
        connection.sendall(whole(head.split()[1]))

    heard: dict[int, bytes] = {}
    with tiny_server(echo) as target:
        requests = [target.request(f"/{number}") for number in range(3)]
        sending = Sending(target, 2, heard=lambda n, _, body: heard.update({n: body}))
        measured = open_loop(sending, requests, evenly(500, 7))
    assert heard == {number: b"/%d" % (number % 3) for number in range(7)}
    assert sorted(measured.numbers.tolist()) == list(range(7))
    assert sorted(measured.due.tolist()) == pytest.approx([number / 500 for number in range(7)])
    assert measured.unsent == 0


def test_latency_counts_from_when_a_request_was_due_and_not_from_when_it_was_sent() -> None:
    stalls = [0.3]

    def stall_once(connection: socket.socket, _head: bytes) -> None:
        if stalls:
            time.sleep(stalls.pop())
        connection.sendall(FINE)

    with tiny_server(stall_once) as target:
        sending = Sending(target, 1)
        measured = open_loop(sending, [target.request("/")], evenly(100, 30))
    # One server stalls once, for 0.3 s: thirty requests fell due meanwhile, and all of them waited.
    waited = dict(zip(measured.numbers.tolist(), measured.seconds.tolist(), strict=True))
    assert waited[0] >= 0.3
    assert waited[10] >= 0.19
    assert waited[20] >= 0.09
    assert measured.latency().p50 >= 100


def test_what_cannot_be_sent_in_time_is_given_up_and_counted() -> None:
    def slowly(connection: socket.socket, _head: bytes) -> None:
        time.sleep(0.1)
        connection.sendall(FINE)

    with tiny_server(slowly) as target:
        sending = Sending(target, 1, patience=0.05)
        measured = open_loop(sending, [target.request("/")], evenly(100, 20))
    figures = measured.figures()
    assert figures.requests == 20
    assert 1 <= figures.answered <= 4
    assert figures.unsent == 20 - figures.answered


def test_statuses_are_counted_and_only_200_in_time_is_good() -> None:
    statuses = [200, 503, 200, 422]

    def turns(connection: socket.socket, head: bytes) -> None:
        number = int(head.split()[1][1:])
        time.sleep(0.1 if number == 2 else 0)
        connection.sendall(whole(status=statuses[number]))

    with tiny_server(turns) as target:
        requests = [target.request(f"/{number}") for number in range(4)]
        measured = open_loop(Sending(target, 4), requests, np.zeros(4))
    assert measured.figures().statuses == {"200": 2, "422": 1, "503": 1}
    assert measured.numbers[measured.good(within=0.09)].tolist() == [0]


def test_a_connection_that_is_closed_in_the_middle_is_no_answer_and_another_is_opened() -> None:
    def cut_the_first(connection: socket.socket, head: bytes) -> None:
        if head.startswith(b"GET /0 "):
            connection.sendall(FINE[:-2])
            connection.shutdown(socket.SHUT_RDWR)
        else:
            connection.sendall(FINE)

    with tiny_server(cut_the_first) as target:
        requests = [target.request(f"/{number}") for number in range(4)]
        measured = open_loop(Sending(target, 1), requests, np.zeros(4))
    assert measured.figures().statuses == {"none": 1, "200": 3}
    assert measured.numbers[~measured.came].tolist() == [0]


def test_an_answer_may_come_in_pieces_and_in_chunks() -> None:
    chunked = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    )

    def drip(connection: socket.socket, _head: bytes) -> None:
        for place in range(len(chunked)):
            connection.sendall(chunked[place : place + 1])

    heard: list[tuple[int, bytes]] = []
    with tiny_server(drip) as target:
        sending = Sending(target, 1, heard=lambda _, status, body: heard.append((status, body)))
        open_loop(sending, [target.request("/")], np.zeros(3))
    assert heard == [(200, b"abcde")] * 3


def test_garbage_is_no_answer() -> None:
    def garbage(connection: socket.socket, _head: bytes) -> None:
        connection.sendall(b"\x00\x01 not HTTP at all\r\n\r\n")

    with tiny_server(garbage) as target:
        measured = open_loop(Sending(target, 1), [target.request("/")], np.zeros(2))
    assert measured.figures().statuses == {"none": 2}
    assert measured.latency().most == 0.0


def test_an_answer_too_many_is_not_taken_for_that_of_the_next() -> None:
    def twice(connection: socket.socket, _head: bytes) -> None:
        connection.sendall(whole(b"mine") + whole(b"whose?"))

    heard: list[bytes] = []
    with tiny_server(twice) as target:
        sending = Sending(target, 1, heard=lambda _, __, body: heard.append(body))
        open_loop(sending, [target.request("/")], evenly(20, 3))
    assert set(heard) == {b"mine"}


def test_a_server_that_closes_after_each_answer_is_asked_on_new_connections() -> None:
    def close(connection: socket.socket, _head: bytes) -> None:
        connection.sendall(whole(b"", 200, "Connection: close"))
        connection.shutdown(socket.SHUT_RDWR)

    with tiny_server(close) as target:
        measured = open_loop(Sending(target, 2), [target.request("/")], np.zeros(5))
    assert measured.figures().statuses == {"200": 5}


def test_an_announcement_is_no_answer_yet() -> None:
    def early(connection: socket.socket, _head: bytes) -> None:
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n" + FINE)

    with tiny_server(early) as target:
        measured = open_loop(Sending(target, 1), [target.request("/")], np.zeros(2))
    assert measured.figures().statuses == {"200": 2}


def test_what_never_comes_is_given_up_after_the_grace() -> None:
    def never(_connection: socket.socket, _head: bytes) -> None:
        time.sleep(1)

    with tiny_server(never) as target:
        sending = Sending(target, 1, grace=0.2)
        began = time.monotonic()
        measured = open_loop(sending, [target.request("/")], np.zeros(3))
    assert time.monotonic() - began < 2
    assert measured.figures().statuses == {"none": 1}
    assert measured.unsent == 2


def test_nothing_that_listens_is_told() -> None:
    with tiny_server(at_once) as target:
        pass
    with pytest.raises(Unavailable, match=f"127.0.0.1:{target.port} can't be connected to"):
        closed_loop(Sending(target, 2), [target.request("/")], 0.1)


def test_people_who_know_nothing_of_each_other_come_so_many_a_second_on_average() -> None:
    due = poisson(200.0, 20_000, seed=1)
    gaps = np.diff(due)
    assert due[-1] == pytest.approx(100.0, rel=0.03)
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.05)
    assert (gaps >= 0).all()


def test_no_request_is_no_load() -> None:
    with tiny_server(at_once) as target:
        measured = open_loop(Sending(target, 1), [target.request("/")], np.zeros(0))
    assert measured.figures().requests == 0


def test_a_body_is_sent_with_its_length() -> None:
    request = Target("::1", 8, path="/base").request(
        "/x?y=1", {"A": "b"}, method="POST", body=b"12"
    )
    assert request == (
        b"POST /base/x?y=1 HTTP/1.1\r\nHost: [::1]:8\r\nA: b\r\nContent-Length: 2\r\n\r\n12"
    )
