"""Who waits for a worker, and whose turn it is."""

from __future__ import annotations

from collections import OrderedDict, deque

import anyio


class Turns:
    """So many places at one time; those who wait get them one client after the other.

    A client that asks for much waits for itself: another one's first request comes before its
    second.

    Args:
      places: at one time.
    """

    def __init__(self, places: int):
        self._free = places
        self._waiting: OrderedDict[str, deque[anyio.Event]] = OrderedDict()  # next client first

    async def enter(self, client: str) -> None:
        """Returns when there is a place; whoever is cancelled has none."""
        if self._free:  # so nobody waits
            self._free -= 1
            return
        turn = anyio.Event()
        self._waiting.setdefault(client, deque()).append(turn)
        try:
            await turn.wait()
        except BaseException:
            if turn.is_set():  # it came as the client left
                self.leave()
            else:
                self._waiting[client].remove(turn)
                if not self._waiting[client]:
                    del self._waiting[client]
            raise

    def leave(self) -> None:
        """Gives the place to the next client."""
        if not self._waiting:
            self._free += 1
            return
        client, turns = self._waiting.popitem(last=False)
        turns.popleft().set()
        if turns:
            self._waiting[client] = turns  # behind the others
