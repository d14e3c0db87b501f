"""The state in a changelog: a checkpoint is there whole or not at all, whatever part of it was written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.hosts.faust_state import MAX_BLOCK_BYTES, Checkpoint, DamagedError, Shelf
from streams.hosts.instance import HOST_BLOCK


def write(table: dict[bytes, bytes], checkpoint: Checkpoint, upto: int) -> None:
    """Write the first `upto` records of a checkpoint, as a crash would leave them."""
    steps: list[tuple[bytes, bytes | None]] = [*checkpoint.blocks.items(), checkpoint.manifest, *((key, None) for key in checkpoint.gone)]
    for key, value in steps[:upto]:
        if value is None:
            table.pop(key, None)
        else:
            table[key] = value


states = st.dictionaries(st.sampled_from(["a", "b", "c", "d/e"]), st.binary(max_size=8), max_size=4)


@given(changes=st.lists(states, max_size=6), last=states, cut=st.integers(0, 12))
def test_a_torn_checkpoint_leaves_the_one_before(changes: list[dict[str, bytes]], last: dict[str, bytes], cut: int) -> None:
    """After a crash anywhere inside a checkpoint, what is loaded is all of the last one or all of this one, never a mixture."""
    table: dict[bytes, bytes] = {}
    shelf = Shelf(3, "run-1")
    expected: dict[str, bytes] = {}

    def apply(change: dict[str, bytes], number: int) -> Checkpoint:
        expected.update(change | {HOST_BLOCK: b"%d" % number})
        return shelf.save(change | {HOST_BLOCK: b"%d" % number})

    for number, change in enumerate(changes):
        write(table, apply(change, number), 99)
    before = {name: value for name, value in expected.items() if value}
    write(table, apply(last, 99), cut)
    after = {name: value for name, value in expected.items() if value}
    assert Shelf(3, "run-2").load(table) in (before, after)


def test_nothing_is_left_behind() -> None:
    """Blocks that were replaced or are gone leave no keys, and another run goes on with what it loaded."""
    table: dict[bytes, bytes] = {}
    first = Shelf(0, "run-1")
    write(table, first.save({"a": b"1", "b": b"1", HOST_BLOCK: b"h"}), 99)
    second = Shelf(0, "run-2")
    second.load(table)
    write(table, second.save({"a": b"2", "b": b"", HOST_BLOCK: b"i"}), 99)
    assert Shelf(0, "run-3").load(table) == {"a": b"2", HOST_BLOCK: b"i"}
    assert len(table) == 2


def test_partitions_share_a_table() -> None:
    """Keys of partitions never meet, and an empty table is an empty state."""
    table: dict[bytes, bytes] = {}
    for partition in (1, 11):
        write(table, Shelf(partition, "run").save({"a": b"%d" % partition, HOST_BLOCK: b""}), 99)
    assert Shelf(1, "x").load(table)["a"] == b"1"
    assert Shelf(11, "x").load(table)["a"] == b"11"
    assert Shelf(2, "x").load(table) == {}


def test_a_damaged_state_is_not_guessed_at() -> None:
    """Known bad: a block that another writer replaced or deleted is noticed, not used."""
    table: dict[bytes, bytes] = {}
    checkpoint = Shelf(0, "run").save({"a": b"1", HOST_BLOCK: b""})
    write(table, checkpoint, 99)
    (key,) = checkpoint.blocks
    for damaged in ({**table, key: b"2"}, {name: value for name, value in table.items() if name != key}):
        with pytest.raises(DamagedError):
            Shelf(0, "run").load(damaged)


def test_a_block_has_a_size_limit() -> None:
    """What would not fit into a record is a defect of the processor, named with its block."""
    with pytest.raises(ValueError, match="block big of partition 0"):
        Shelf(0, "run").save({"big": bytes(MAX_BLOCK_BYTES + 1), HOST_BLOCK: b""})
