"""A TCP proxy that fails on purpose: cut, silent, slow, or broken off in the middle of a packet."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections import deque
from typing import Final, Self

from tests.parts.base import free_port

_CHUNK: Final = 65_536
_SLICE_S: Final = 0.02


class _Pair:
    """One connection through the proxy: what each side has sent waits until it is due."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.ends = {client: server, server: client}
        self.waiting: dict[socket.socket, deque[tuple[float, bytes]]] = {client: deque(), server: deque()}
        """By the end that shall receive it."""
        self.truncate_after: int | None = None
        """Bytes that may still pass to the server before the connection breaks."""

    def close(self) -> None:
        for end in self.ends:
            end.close()


class Proxy:
    """Listens on loopback and passes everything on, until it is told otherwise. `with` starts and ends it."""

    def __init__(self, target: int = 0) -> None:
        """`target` is a port on loopback; it may be set later."""
        self.target, self.port = target, free_port()
        self.delay_s = 0.0
        """How long everything takes in each direction."""
        self.silent = False
        """Nothing passes, nothing ends: as when a cable is pulled."""
        self.connections = 0
        """Ever made."""
        self.broken = 0
        """Ever broken by the proxy."""
        self._pairs: list[_Pair] = []
        self._lock = threading.Lock()
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._thread = threading.Thread(target=self._run, name=f"proxy {self.port}", daemon=True)
        self._ended = False

    def __enter__(self) -> Self:
        """Listen."""
        self._listener.bind(("127.0.0.1", self.port))
        self._listener.listen(64)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End, with all connections."""
        self._ended = True
        self._thread.join()
        self._listener.close()
        self.cut()

    def cut(self) -> int:
        """Break every connection; how many there were. New ones are welcome."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
            for pair in pairs:
                pair.close()
            self.broken += len(pairs)
            return len(pairs)

    def truncate_after(self, more: int) -> int:
        """Break each connection after so many more bytes towards the server, mostly in the middle of a packet; how many there are."""
        with self._lock:
            for pair in self._pairs:
                pair.truncate_after = more
            return len(self._pairs)

    def _run(self) -> None:
        while not self._ended:
            with self._lock:
                ends = {end: pair for pair in self._pairs for end in pair.ends}
            wanted = [self._listener, *([] if self.silent else ends)]
            try:
                readable, _, _ = select.select(wanted, [], [], _SLICE_S)
            except (OSError, ValueError):
                continue  # cut in this very moment
            for one in readable:
                if one is self._listener:
                    self._accept()
                elif one in ends:
                    self._read(ends[one], one)
            if not self.silent:
                self._deliver()

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        try:
            server = socket.create_connection(("127.0.0.1", self.target), timeout=1)
        except OSError:
            client.close()
            return
        server.settimeout(5)
        client.settimeout(5)
        self.connections += 1
        with self._lock:
            self._pairs.append(_Pair(client, server))

    def _read(self, pair: _Pair, end: socket.socket) -> None:
        try:
            data = end.recv(_CHUNK)
        except OSError:
            data = b""
        to_server = end is next(iter(pair.ends))
        if data and to_server and pair.truncate_after is not None:
            data = data[: pair.truncate_after]
            pair.truncate_after -= len(data)
            if pair.truncate_after <= 0:
                self._send(pair, pair.ends[end], data)
                self._drop(pair, broken=True)
                return
        if not data:
            self._drop(pair)
            return
        pair.waiting[pair.ends[end]].append((time.monotonic() + self.delay_s, data))

    def _deliver(self) -> None:
        now = time.monotonic()
        with self._lock:
            pairs = list(self._pairs)
        for pair in pairs:
            for end, waiting in pair.waiting.items():
                while waiting and waiting[0][0] <= now:
                    if not self._send(pair, end, waiting.popleft()[1]):
                        break

    def _send(self, pair: _Pair, end: socket.socket, data: bytes) -> bool:
        try:
            end.sendall(data)
        except OSError:
            self._drop(pair)
            return False
        return True

    def _drop(self, pair: _Pair, *, broken: bool = False) -> None:
        with self._lock:
            if pair in self._pairs:
                self._pairs.remove(pair)
                self.broken += broken
        pair.close()
