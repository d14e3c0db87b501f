"""How long to rest between two reads, from how fast messages arrive. Pure.

A read costs the same whether it finds one message or a thousand, and so does a record on the log. Under load a short rest makes one
read of many; at a trickle it would only make a message wait. So the rest grows with the rate: none while it cannot expect company,
two fifths of the longest at a thousand messages a second, nearly the longest from ten thousand on. It follows the work: where that takes
long, because the machine is slow or has much else to do, the next read finds more, and each message costs less.
"""

from __future__ import annotations

from math import exp
from typing import Final

from vorab.clock import SECOND, Micros

_MEMORY_S: Final = 0.1
"""How far back the rate looks: a burst is known as one after some reads, and forgotten as soon."""
_HALF: Final = 1_500.0
"""At so many messages a second the rest is half of the longest."""
_COMPANY: Final = 1.0
"""A rest that cannot expect so many messages is not taken."""


def nap(rate: float, most: Micros) -> Micros:
    """The rest between two reads, µs, at `rate` messages a second; never above `most`, never shorter at a higher rate."""
    if rate * most < _COMPANY * SECOND:
        return 0
    return int(most * rate / (rate + _HALF))


class Pace:
    """The rate of arrival, as a mean that fades, and the nap it asks for."""

    def __init__(self, most: Micros) -> None:
        """`most` is the longest nap, µs."""
        self._most = most
        self.rate = 0.0
        """Messages a second."""

    def read(self, messages: int, since: Micros) -> Micros:
        """A read brought so many messages, `since` µs after the one before; the nap to take after its messages are handed on, µs."""
        seconds = max(since, 1) / SECOND
        kept = exp(-seconds / _MEMORY_S)
        self.rate = self.rate * kept + messages / seconds * (1.0 - kept)
        return nap(self.rate, self._most)
