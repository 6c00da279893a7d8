from __future__ import annotations

from typing import Any, Callable

import anyio
import pytest
from fastapi import HTTPException

from mscn_tf.server.answers import Answer, failure
from mscn_tf.server.cache import Cache
from mscn_tf.server.metrics import Metrics


def answer(size: int, text: bytes = b"x") -> Answer:
    return Answer(200, "text/plain", text * size)


class Maker:
    """Makes answers when it is let, and counts how often it was asked to."""

    def __init__(self, made: Any):
        self.made, self.calls, self.let = made, 0, anyio.Event()

    async def __call__(self) -> Any:
        self.calls += 1
        await self.let.wait()
        if isinstance(self.made, Exception):
            raise self.made
        return self.made


def run(most: int, test: Callable[[Cache], Any]) -> None:
    async def main() -> None:
        cache = Cache(most, Metrics())
        async with anyio.create_task_group() as cache.tasks:
            with anyio.fail_after(10):
                await test(cache)

    anyio.run(main)


def test_what_several_ask_for_is_made_once_and_kept():
    async def test(cache: Cache) -> None:
        maker, got = Maker({"a": answer(1), "b": answer(2)}), []

        async def ask(key: str) -> None:
            got.append(await cache.answer(key, "both", maker))

        async with anyio.create_task_group() as group:
            for key in "aab":
                group.start_soon(ask, key)
            await anyio.wait_all_tasks_blocked()
            maker.let.set()
        assert sorted(len(each.content) for each in got) == [1, 1, 2]
        assert len((await cache.answer("b", "both", maker)).content) == 2
        assert maker.calls == 1

    run(10_000, test)


def test_memory_is_bounded_and_what_was_used_last_stays():
    async def test(cache: Cache) -> None:
        maker = Maker(None)
        maker.let.set()

        async def ask(key: str, size: int = 900) -> int:
            maker.made, before = {key: answer(size)}, maker.calls
            await cache.answer(key, key, maker)
            return maker.calls - before

        assert [await ask(key) for key in "abab"] == [1, 1, 0, 0]
        assert await ask("c") == 1  # in the place of a
        assert [await ask(key) for key in "cba"] == [0, 0, 1]
        assert [await ask("large", 5000) for _ in range(2)] == [1, 1]
        assert await ask("a") == 0

    run(3000, test)


def test_failures_are_shared_but_not_kept():
    async def test(cache: Cache) -> None:
        refused, broken = Maker(failure(413, "too large")), Maker(HTTPException(503))
        statuses = []

        async def ask(maker: Maker) -> None:
            try:
                statuses.append((await cache.answer("key", maker, maker)).status)
            except HTTPException as error:
                statuses.append(error.status_code)

        for maker in (refused, broken):
            async with anyio.create_task_group() as group:
                for _ in range(2):
                    group.start_soon(ask, maker)
                await anyio.wait_all_tasks_blocked()
                maker.let.set()
            await ask(maker)
            assert maker.calls == 2
        assert statuses == [413] * 3 + [503] * 3

    run(10_000, test)


def test_who_leaves_ends_only_what_nobody_else_waits_for():
    async def test(cache: Cache) -> None:
        maker, scopes, got = Maker({"key": answer(1)}), [anyio.CancelScope() for _ in "ab"], []

        async def ask(scope: anyio.CancelScope) -> None:
            with scope:
                got.append(await cache.answer("key", "key", maker))

        async with anyio.create_task_group() as group:
            for scope in scopes:
                group.start_soon(ask, scope)
                await anyio.wait_all_tasks_blocked()
            scopes[0].cancel()
            await anyio.wait_all_tasks_blocked()
            maker.let.set()
        assert (len(got), maker.calls) == (1, 1)

        left = Maker({"other": answer(1)})
        with anyio.move_on_after(0.05):
            await cache.answer("other", "other", left)
        left.let.set()
        await cache.answer("other", "other", left)
        assert left.calls == 2

    run(10_000, test)


def test_time_is_that_of_the_first_and_is_over_for_all():
    async def test(cache: Cache) -> None:
        maker = Maker({"key": answer(1)})
        with anyio.CancelScope(deadline=anyio.current_time() + 0.05, shield=True) as first:
            async with anyio.create_task_group() as group:

                async def second() -> None:
                    with anyio.CancelScope(shield=True), pytest.raises(HTTPException) as late:
                        await cache.answer("key", "key", maker)
                    assert late.value.status_code == 504

                async def leader() -> None:
                    await cache.answer("key", "key", maker)

                group.start_soon(leader)
                await anyio.wait_all_tasks_blocked()
                group.start_soon(second)
        assert first.cancel_called
        assert maker.calls == 1

    run(10_000, test)
