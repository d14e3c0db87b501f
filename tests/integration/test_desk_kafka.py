"""The desk on a real Kafka: the same pages from the same records, and what people ask for arrives on the log."""

from __future__ import annotations

from pathlib import Path

from desk.service import Desk
from tests.parts.fixtures import NewKafka
from tests.unit.desk.house import PARTITIONS, House, Story, asked, customer, device, doubted, healed, night, settings_of
from vorab import topics
from vorab.clock import SystemClock
from vorab.log import open_log


def test_the_desk_shows_what_kafka_has(new_kafka: NewKafka, tmp_path: Path) -> None:
    """Cases, curves and commands by way of a real broker."""
    broker = new_kafka()
    clock = SystemClock()
    stories: list[Story] = [healed(), doubted(), asked()]
    with open_log(broker.log_address) as log:
        log.create(dict.fromkeys(topics.TOPICS, PARTITIONS))
        house = House(tmp_path / "house", log)
        house.write([customer(), *(device(story.device) for story in stories)])
        for story in stories:
            house.readings(story.key, night())
            house.write(story.records)
        desk = Desk(log, settings_of(tmp_path), house.clock)
        desk.start()
        try:
            for _ in range(4_800):
                house.catch_up()
                if all(house.queries.case(story.case) for story in stories) and house.queries.curve(stories[0].key, "pressure", 0, 2**62):
                    break
                clock.sleep(0.05)
            assert len(house.queries.cases()) == len(stories)
            answer = house.client.post(f"/cases/{stories[1].case}/take", data={"nonce": "12345678"})
            assert answer.status_code == 303
            assert len(house.told(topics.COMMANDS, wait_s=60)) == 1
        finally:
            desk.stop()
            house.close()
