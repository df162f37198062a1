"""Dead letters in RabbitMQ: the quorum queue `homing.dead`.

Looking at letters takes all of them off the queue and puts them back, which is what a queue can do:
meanwhile another process that looks sees fewer. The same letter may lie there twice, buried by two
processes or by one that died before it committed; it is shown once, and removed with its copies.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from features.clock import Clock
from features.stores.codec import letter_digest
from features.stores.letter_numbers import LetterNumbers
from features.stores.ports import DeadLetter

if TYPE_CHECKING:
    from features.stores.rabbitmq import Channel, Connection, Incoming, Queue, RabbitServer

DEAD: Final = "homing.dead"
QUORUM: Final[dict[str, str | int | bool]] = {
    "x-queue-type": "quorum",
    # From RabbitMQ 4 on a message is dropped after 20 deliveries unless more are allowed.
    "x-delivery-limit": 1_000_000_000,
}


class RabbitLetters:
    """Dead letters, as the `EventLog` has them.

    Args:
        server: Where.
        clock: Dates them.
    """

    def __init__(self, server: RabbitServer, clock: Clock) -> None:
        self._server = server
        self._clock = clock
        self._numbers = LetterNumbers(clock)

    def bury(self, bodies: Sequence[bytes], reason: str, source: str) -> None:
        """Keep bytes that could not be read, as dead letters; durable on return."""
        at = int(self._clock.now().timestamp())
        known = {letter_digest(letter.body, letter.source) for letter in self._letters()}
        letters = []
        for body in bodies:
            digest = letter_digest(body, source)
            if digest not in known:
                known.add(digest)
                letter = DeadLetter(
                    id=self._numbers.next(), body=body, reason=reason, source=source, at=at
                )
                letters.append(letter)
        self._server.run(partial(_put, letters))

    def dead_letters(self, limit: int = 100, after: int = 0) -> list[DeadLetter]:
        """Dead letters in the order of their ids."""
        return [letter for letter in self._letters() if letter.id > after][:limit]

    def remove_dead(self, ids: Collection[int]) -> None:
        """Drop dead letters that were repaired or given up."""
        gone = {letter_digest(it.body, it.source) for it in self._letters() if it.id in ids}
        self._server.run(partial(_look, gone))

    def _letters(self) -> list[DeadLetter]:
        """Each once, in the order of their ids."""
        letters: dict[bytes, DeadLetter] = {}
        for letter in sorted(self._server.run(partial(_look, ())), key=lambda letter: letter.id):
            letters.setdefault(letter_digest(letter.body, letter.source), letter)
        return list(letters.values())


async def _put(letters: Sequence[DeadLetter], connection: Connection) -> None:
    from features.stores.rabbitmq import PERSISTENT, Message  # noqa: PLC0415 - see opening

    async with await connection.channel() as channel:
        await dead_queue(channel)
        for letter in letters:
            message = Message(
                letter.body,
                headers={"id": letter.id, "reason": letter.reason, "at": letter.at},
                app_id=letter.source,
                delivery_mode=PERSISTENT,
            )
            await channel.default_exchange.publish(message, routing_key=DEAD)


async def _look(gone: Collection[bytes], connection: Connection) -> list[DeadLetter]:
    """All letters that lie there; those of these digests are dropped, the others put back."""
    async with await connection.channel() as channel:
        queue = await dead_queue(channel)
        taken: list[tuple[Incoming, DeadLetter]] = []
        while message := await queue.get(fail=False):
            taken.append((message, _letter(message)))
        for message, letter in taken:
            if letter_digest(letter.body, letter.source) in gone:
                await message.ack()
            else:
                await message.nack()
    return [letter for _, letter in taken]


async def dead_queue(channel: Channel) -> Queue:
    """The queue of dead letters, made when it is missing."""
    return await channel.declare_queue(DEAD, durable=True, arguments=dict(QUORUM))


def _letter(message: Incoming) -> DeadLetter:
    number, at = message.headers["id"], message.headers["at"]
    return DeadLetter(
        id=number if isinstance(number, int) else 0,
        body=message.body,
        reason=str(message.headers["reason"]),
        source=message.app_id or "",
        at=at if isinstance(at, int) else 0,
    )
