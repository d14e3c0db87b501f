"""How an instance's state lies in a changelog, so that a checkpoint is there whole or not at all.

Each changed block is written under a key of its own that nobody wrote before; then one small record, the *manifest*, names the blocks
that belong together, with their checksums, and holds the host's own block with the offsets. Only after the manifest is confirmed are
the keys it no longer names deleted. A crash anywhere leaves the last manifest with everything it names.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from streams.hosts.instance import HOST_BLOCK

MAX_BLOCK_BYTES: Final = 512 << 10
FORMAT: Final = 1
_NUMBERS: Final = itertools.count(1)
"""Of checkpoints, over all shelves of this process: a partition that comes back gets a new shelf, and a key must not come back with it."""


class DamagedError(Exception):
    """A manifest names a block that is not there or not the same: a defect, or two workers that both held the partition."""


class _Block(msgspec.Struct, array_like=True, frozen=True):
    key: bytes
    checksum: int


class _Manifest(msgspec.Struct, frozen=True):
    v: int
    host: bytes
    blocks: dict[str, _Block]


class Checkpoint(NamedTuple):
    """What to write: first the blocks, when these are confirmed the manifest, when that is confirmed the deletions."""

    blocks: dict[bytes, bytes]
    manifest: tuple[bytes, bytes]
    gone: list[bytes]


class Shelf:
    """Where the blocks of one partition lie."""

    def __init__(self, partition: int, writer: str) -> None:
        """`writer` is unique to this run of this process, so that no two ever write the same key."""
        self._partition, self._writer = partition, writer
        self._blocks: dict[str, _Block] = {}

    @property
    def _key(self) -> bytes:
        return b"%d" % self._partition

    def load(self, table: Mapping[bytes, bytes]) -> dict[str, bytes]:
        """The blocks of the last checkpoint, the host's own included; nothing where there never was one.

        Raises:
            DamagedError: blocks do not fit the manifest.
        """
        packed = table.get(self._key)
        if packed is None:
            return {}
        manifest = msgspec.msgpack.decode(packed, type=_Manifest)
        found = {HOST_BLOCK: manifest.host}
        for name, block in manifest.blocks.items():
            value = table.get(block.key)
            if value is None or zlib.crc32(value) != block.checksum:
                raise DamagedError(
                    f"partition {self._partition}: block {name} is {'missing' if value is None else 'another'} at {block.key!r}"
                )
            found[name] = value
        self._blocks = dict(manifest.blocks)
        return found

    def save(self, changed: Mapping[str, bytes]) -> Checkpoint:
        """A checkpoint of what changed; an empty block is gone. The host's own block must be among it."""
        number = next(_NUMBERS)
        puts: dict[bytes, bytes] = {}
        gone: list[bytes] = []
        for name, value in changed.items():
            if name == HOST_BLOCK:
                continue
            if len(value) > MAX_BLOCK_BYTES:
                raise ValueError(f"block {name} of partition {self._partition} has {len(value)} bytes, {MAX_BLOCK_BYTES} are allowed")
            before = self._blocks.pop(name, None)
            if before is not None:
                gone.append(before.key)
            if value:
                key = f"{self._partition}/{name}/{self._writer}.{number}".encode()
                self._blocks[name] = _Block(key, zlib.crc32(value))
                puts[key] = value
        manifest = msgspec.msgpack.encode(_Manifest(FORMAT, changed[HOST_BLOCK], self._blocks))
        return Checkpoint(puts, (self._key, manifest), gone)
