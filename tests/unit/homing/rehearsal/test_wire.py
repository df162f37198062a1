from __future__ import annotations

import pytest

from features.errors import InvalidArgument
from homing.rehearsal.wire import Target


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://127.0.0.1:8000", Target("127.0.0.1", 8000)),
        ("https://scorer.example/", Target("scorer.example", 443, secure=True)),
        ("http://[::1]:81/base/", Target("::1", 81, path="/base")),
    ],
)
def test_a_url_names_a_target(url: str, target: Target) -> None:
    assert Target.of(url) == target


@pytest.mark.parametrize(
    "url", ["", "scorer.example", "ftp://a", "http://", "http://a:x", "http://a?b=c", "http://[:"]
)
def test_what_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidArgument, match="not a web address"):
        Target.of(url)
