"""What is looked at before a scorer is built."""

from __future__ import annotations

import socket

import pytest

from features.errors import SettingsError
from serving.bootstrap import _check_address

NO_FAMILY = (9_999, socket.SOCK_STREAM, 0, "", ("::1", 0))
"""Of an address like that of IPv6 on a machine without it."""


def test_a_kind_of_address_that_the_machine_lacks_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = socket.getaddrinfo

    def more(host: str, port: int, *, type: int, flags: int) -> list[object]:  # noqa: A002 - its
        return [NO_FAMILY, *known(host, port, type=type, flags=flags)]

    monkeypatch.setattr(socket, "getaddrinfo", more)
    _check_address("127.0.0.1", 0)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=rf"HOMING_PORT {port} .* already in use"):
            _check_address("127.0.0.1", port)
