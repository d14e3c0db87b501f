"""Idempotency-Key: a POST that is sent again gets the answer it had, and is done once.

What it does has ids made of the key as well, so that it counts once even when this memory is gone.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from desk.problems import Problem

MOST: Final = 10_000
MAX_KEY: Final = 255


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that can be given again."""

    status: int
    body: Any


class Answers:
    """The answers of one desk, the oldest are let go."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, ...], tuple[str, Answer | None]] = OrderedDict()

    def once(self, who: str, path: str, key: str, asked: str, do: Callable[[], Answer]) -> Answer:
        """Do it, or give the answer it had; without a key it is done each time.

        Raises:
            Problem: the key was used for something else, or is being worked on.
        """
        if not key:
            return do()
        name = (who, path, key)
        with self._lock:
            before = self._known.get(name)
            if before is not None and before[0] != asked:
                raise Problem(422, "idempotency-key-reused", "this Idempotency-Key came with another request")
            if before is not None and before[1] is None:
                raise Problem(409, "in-progress", "the same request is being worked on", wait_s=1)
            if before is not None and before[1] is not None:
                return before[1]
            self._known[name] = (asked, None)
        try:
            answer = do()
        except BaseException:
            with self._lock:
                self._known.pop(name, None)
            raise
        with self._lock:
            self._known[name] = (asked, answer)
            while len(self._known) > MOST:
                self._known.popitem(last=False)
        return answer
