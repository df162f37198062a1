"""A proxy that counts how often whoever asks has to wait for an answer."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from homing.child import free_port

_PIECE = 1 << 16


class RoundTrips:
    """Passes bytes between one port and another.

    Attributes:
        count: How often bytes went to the server after some had come back, or the first.
    """

    def __init__(self) -> None:
        self.count = 0

    def carry(self, client: socket.socket, server: socket.socket) -> None:
        """Pass on until one of them hangs up."""
        waiting = False
        with client, server, selectors.DefaultSelector() as either:
            for end in (client, server):
                either.register(end, selectors.EVENT_READ)
            while True:
                for key, _ in either.select():
                    asks = key.fd == client.fileno()
                    source, target = (client, server) if asks else (server, client)
                    piece = source.recv(_PIECE)
                    if not piece:
                        return
                    self.count += asks and not waiting
                    target.sendall(piece)
                    waiting = asks


@contextmanager
def round_trips(port: int) -> Iterator[tuple[int, RoundTrips]]:
    """A proxy in front of a port of this machine: its own port, and its count."""
    trips, own = RoundTrips(), free_port(0)
    with socket.create_server(("127.0.0.1", own)) as listening:

        def accept() -> None:
            while True:
                try:
                    client, _ = listening.accept()
                except OSError:
                    return
                server = socket.create_connection(("127.0.0.1", port))
                threading.Thread(target=trips.carry, args=(client, server), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield own, trips
        finally:
            listening.shutdown(socket.SHUT_RDWR)
