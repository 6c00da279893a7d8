from __future__ import annotations

import anyio
import pytest

from mscn_tf.server.turns import Turns


def order_of(asked: list[str], leaves: tuple[int, ...] = ()) -> list[str]:
    """In which order clients get the only place, which one at the door holds until all wait.

    Args:
      asked: clients in the order in which they ask.
      leaves: numbers of the requests that end before it is their turn.
    """
    came: list[str] = []

    async def main() -> None:
        turns, scopes = Turns(1), [anyio.CancelScope() for _ in asked]
        await turns.enter("the first")

        async def one(number: int) -> None:
            with scopes[number]:
                await turns.enter(asked[number])
                came.append(asked[number])
                await anyio.sleep(0)
                turns.leave()

        async with anyio.create_task_group() as group:
            for number in range(len(asked)):
                group.start_soon(one, number)
                await anyio.wait_all_tasks_blocked()
            for number in leaves:
                scopes[number].cancel()
            await anyio.wait_all_tasks_blocked()
            turns.leave()
        with anyio.fail_after(1):  # the place is free again
            await turns.enter("the last")

    anyio.run(main)
    return came


@pytest.mark.parametrize(
    ("asked", "leaves", "came"),
    [
        (list("aaaab"), (), list("abaaa")),
        (list("aabbc"), (), list("abcab")),
        (list("aaab"), (3,), list("aaa")),
        (list("aabb"), (0, 2), list("ab")),
        (list("ab"), (0, 1), []),
    ],
)
def test_clients_take_turns(asked, leaves, came):
    assert order_of(asked, leaves) == came


def test_who_leaves_as_its_turn_comes_passes_it_on():
    async def main() -> None:
        turns, scope = Turns(1), anyio.CancelScope()
        await turns.enter("a")

        async def leaver() -> None:
            with scope:
                await turns.enter("b")
                raise AssertionError("it had left")

        async with anyio.create_task_group() as group:
            group.start_soon(leaver)
            await anyio.wait_all_tasks_blocked()
            scope.cancel()
            turns.leave()  # before it has gone
        with anyio.fail_after(1):
            await turns.enter("c")

    anyio.run(main)
