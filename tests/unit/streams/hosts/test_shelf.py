"""Checkpoints in a changelog: whole or not at all, also when a partition goes and comes back to the same process."""

from __future__ import annotations

from streams.hosts.faust_state import Shelf
from streams.hosts.instance import HOST_BLOCK


def write(table: dict[bytes, bytes], shelf: Shelf, **blocks: bytes) -> None:
    """A checkpoint, written in its order."""
    saved = shelf.save({**blocks, HOST_BLOCK: b"host"})
    table.update(saved.blocks)
    table.update([saved.manifest])
    for key in saved.gone:
        table.pop(key)


def test_what_is_saved_is_loaded() -> None:
    """Blocks come back; one that is emptied is gone."""
    table: dict[bytes, bytes] = {}
    shelf = Shelf(3, "writer")
    write(table, shelf, names=b"a", time=b"1")
    write(table, shelf, time=b"")
    assert Shelf(3, "other").load(table) == {"names": b"a", HOST_BLOCK: b"host"}
    assert len(table) == 2


def test_a_partition_that_comes_back_to_the_same_process_does_not_delete_what_it_just_wrote() -> None:
    """A new shelf of the same writer, which loads its own block and writes it anew: no key is ever used twice."""
    table: dict[bytes, bytes] = {}
    for life in range(3):
        shelf = Shelf(1, "writer")
        shelf.load(table)
        write(table, shelf, names=b"%d" % life)
    assert Shelf(1, "writer").load(table) == {"names": b"2", HOST_BLOCK: b"host"}
