"""What a dialect remembers, within a limit: beyond it, what was not touched for longest is forgotten. Pure."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class Memory(Generic[T]):
    """Things by their key, each with a weight."""

    most: int
    """Of all weights together."""
    _kept: OrderedDict[str, tuple[T, int]] = field(default_factory=OrderedDict)
    _weight: int = 0

    def get(self, key: str) -> T | None:
        """What is kept under a key."""
        found = self._kept.get(key)
        return None if found is None else found[0]

    def keep(self, key: str, thing: T, weight: int = 1) -> list[tuple[str, T]]:
        """Keep it, as the newest; what is forgotten for it, with its keys: never itself."""
        self.forget(key)
        self._kept[key] = (thing, weight)
        self._weight += weight
        gone = []
        while self._weight > self.most and len(self._kept) > 1:
            oldest, (forgotten, _) = next(iter(self._kept.items()))
            gone.append((oldest, forgotten))
            self.forget(oldest)
        return gone

    def forget(self, key: str) -> None:
        """Forget one, if it is there."""
        found = self._kept.pop(key, None)
        if found is not None:
            self._weight -= found[1]

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, key: str) -> bool:
        return key in self._kept
