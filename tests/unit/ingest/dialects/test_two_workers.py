"""Two workers share what dialects say: each hears everything, and what one does not write the other does."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from ingest.dialects import DIALECTS, entries
from ingest.intake import Intake
from ingest.packets import Arrivals
from ingest.plan import Plan
from ingest.topicmap import TopicMap
from tests.recorded import NOW, SAMPLES, all_recorded
from vorab import topics
from vorab.frame import decode, unpack

Written = Counter[tuple[str, int, bytes | str | None]]
RECORDED = sorted(name for name in DIALECTS if Path(SAMPLES / name).is_dir())


def written(name: str, share: tuple[int, int]) -> Written:
    """What a worker of this share writes when recorded messages come, and one nobody can read: topic, partition and what."""
    intake = Intake(Plan(partitions=4, rejected_partitions=4, share=share), TopicMap(entries([name]), 4, 0))
    found: Written = Counter()
    for topic, payload in [*all_recorded(name), (all_recorded(name)[0][0], b"{"), *all_recorded(name)]:
        for taken in intake.take(Arrivals([topic.encode()], [payload], [b""]), NOW):
            for record in taken.records:
                if record.topic == topics.READINGS:
                    found.update((record.topic, record.partition, repr(row)) for row in unpack(decode(record.value or b"")))
                else:
                    found[record.topic, record.partition, record.value] += 1
    return found


@pytest.mark.parametrize("name", RECORDED)
def test_two_workers_write_what_one_would(name: str) -> None:
    """Nothing twice, nothing lost, and each partition by one of them."""
    whole, first, second = (written(name, share) for share in ((0, 1), (0, 2), (1, 2)))
    assert first + second == whole
    assert {partition % 2 for _, partition, _ in first} <= {0}
    assert {partition % 2 for _, partition, _ in second} <= {1}
    assert whole
