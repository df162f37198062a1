from __future__ import annotations

import os
import re

from features.tokens import BYTES, token


def test_no_token_comes_twice_and_all_are_of_the_same_form() -> None:
    made = [token() for _ in range(2_000)]
    assert len(set(made)) == len(made)
    assert all(re.fullmatch(rf"[0-9a-f]{{{2 * BYTES}}}", one) for one in made)


def test_a_fork_makes_tokens_of_its_own() -> None:
    token()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, token().encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(reading, 100).decode()
    os.close(reading)
    os.close(writing)
    assert len(theirs) == 2 * BYTES
    assert theirs not in {token() for _ in range(600)}
