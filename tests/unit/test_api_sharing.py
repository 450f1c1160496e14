"""Computations that all who ask at once share: how many run, who is given which, and what becomes of errors."""

import asyncio
import threading

import pytest

from pipeline.api.sharing import Shared


class Slow:
    """Counts its calls; each takes until it is let go."""

    def __init__(self) -> None:
        self.calls, self.begun, self.let_go = 0, threading.Semaphore(0), threading.Semaphore(0)

    def __call__(self) -> int:
        self.calls += 1
        number = self.calls
        self.begun.release()
        assert self.let_go.acquire(timeout=30)
        if number == 3:
            raise ValueError("the third one fails")
        return number


async def until_begun(slow: Slow) -> None:
    assert await asyncio.to_thread(slow.begun.acquire, timeout=30)


async def asked(shared: Shared[int], slow: Slow, n_times: int, what: str = "week") -> list[asyncio.Task[int]]:
    tasks = [asyncio.create_task(shared.computed(what, slow)) for _ in range(n_times)]
    await asyncio.sleep(0)
    return tasks


def test_whoever_asks_while_one_is_computed_gets_the_next_one_together_with_the_others():
    async def scene() -> None:
        shared, slow = Shared[int](), Slow()
        first = await asked(shared, slow, 1)
        await until_begun(slow)
        second = await asked(shared, slow, 10)
        slow.let_go.release()
        await until_begun(slow)
        assert await first[0] == 1
        third = await asked(shared, slow, 5)  # the second runs already
        slow.let_go.release(2)
        assert await asyncio.gather(*second) == [2] * 10
        assert [str(error) for error in await asyncio.gather(*third, return_exceptions=True)] == [
            "the third one fails"
        ] * 5
        slow.let_go.release()
        assert await shared.computed("week", slow) == slow.calls == 4

    asyncio.run(scene())


def test_one_who_gives_up_takes_nothing_from_the_others():
    async def scene() -> None:
        shared, slow = Shared[int](), Slow()
        impatient, patient = await asked(shared, slow, 2)
        await until_begun(slow)
        impatient.cancel()
        slow.let_go.release()
        assert await patient == 1
        with pytest.raises(asyncio.CancelledError):
            await impatient

    asyncio.run(scene())


def test_different_questions_do_not_wait_for_each_other_and_leave_nothing_behind():
    async def scene() -> None:
        shared, slow = Shared[int](), Slow()
        week, month = await asked(shared, slow, 1, "week"), await asked(shared, slow, 1, "month")
        await until_begun(slow)
        await until_begun(slow)
        slow.let_go.release(2)
        assert sorted(await asyncio.gather(*week, *month)) == [1, 2]
        await asyncio.sleep(0)
        assert not shared._waiting
        assert not shared._running

    asyncio.run(scene())
