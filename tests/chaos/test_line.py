"""Ingest under fire on real brokers: whatever dies, stalls or breaks, nothing the MQTT broker acknowledged is lost, and memory is bounded.

Counts and invariants are asserted, never latencies. Each promise has a build with its safeguard taken out that must fail the same check.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.chaos.line import PARTITIONS, Publisher, Worker, audit, lost, settled, until
from tests.parts.base import PATIENCE_S
from tests.parts.fixtures import NewKafka, NewMosquitto
from tests.parts.kafka import Kafka
from tests.parts.mosquitto import Mosquitto
from tests.parts.proxy import Proxy
from tests.system.figures import say
from vorab import topics
from vorab.log import open_log

pytestmark = pytest.mark.slow

SESSION: Final = {"VORAB_MQTT_SESSION_EXPIRY_S": "600"}
DEFAULT_QUEUE: Final = "max_inflight_messages 20\nmax_queued_messages 1000\nmax_queued_bytes 0\n"
"""What Mosquitto does when nobody tells it otherwise."""
MOST_GROWTH_MB: Final = 64


@contextmanager
def line(folder: Path, broker: Mosquitto | Proxy, log: str, workers: int = 2, *, variant: str = "", **env: str) -> Iterator[list[Worker]]:
    """Workers that listen; killed at the end whatever happened."""
    made = [Worker(folder, i, workers, broker.port, log, variant=variant, env={**SESSION, **env}) for i in range(workers)]
    with ExitStack() as ends:
        with open_log(log) as events:
            events.create(dict.fromkeys((topics.READINGS, *_OTHERS), PARTITIONS))
        for worker in made:
            ends.callback(worker.child.kill)
            worker.start()
        yield made


_OTHERS: Final = (topics.PRESENCE, topics.FACTS, topics.ALARMS, topics.ACTIONS, topics.REPLIES, topics.REJECTED)


# ------------------------------------------------------------------------------------------------ workers die


def test_workers_killed_alternately(tmp_path: Path, new_mosquitto: NewMosquitto, new_kafka: NewKafka) -> None:
    """Two workers, ten kills at random moments, 20,000 readings: none lost, some written twice as at-least-once allows."""
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    kafka, broker = new_kafka(), new_mosquitto()
    publisher = Publisher(broker.port)
    with line(tmp_path, broker, kafka.log_address, VORAB_CRASH="ingest.before_ack:40") as workers:
        kills = 0
        for i in range(20):
            publisher.publish(1_000, rate=450)
            worker = workers[i % 2]
            if worker.child.running and kills < 10:
                time.sleep(chance.uniform(0.0, 0.5))  # the moment is meant to be any
                worker.kill()
                kills += 1
            for other in workers:
                if not other.child.running:
                    other.child.env.pop("VORAB_CRASH", None)
                    other.start()
        publisher.wait()
        found = settled(kafka.log_address, publisher)
    publisher.stop()
    say(f"\nseed {seed}: kill -9 of workers {kills}, published {publisher.sent}, acknowledged by the broker {len(publisher.acked)}, "
        f"on the log {len(found.readings)}, lost {len(lost(publisher, found))}, twice {found.twice}")  # fmt: skip
    assert kills == 10
    assert len(publisher.acked) == publisher.sent == 20_000
    assert lost(publisher, found) == set()
    assert found.twice > 0, "a message that was written and not acknowledged comes again: else nothing was tested"


@pytest.mark.parametrize("variant", ["", "ack-before-log"])
def test_a_worker_that_dies_while_the_log_is_away(tmp_path: Path, new_mosquitto: NewMosquitto, new_kafka: NewKafka, variant: str) -> None:
    """What was read and is not on the log belongs to the broker still; a build that acknowledges first loses all of it."""
    kafka, broker = new_kafka(), new_mosquitto(profile="durable")
    publisher = Publisher(broker.port)
    with line(tmp_path, broker, kafka.log_address, 1, variant=variant) as (worker,):
        kafka.kill()
        publisher.publish(500)
        publisher.wait()
        until(lambda: not worker.is_ready, "the worker noticing that the log is away")
        time.sleep(3)  # long enough for a build that acknowledges first to have done so; for a proper one it makes no difference
        worker.kill()
        kafka.start()
        worker.start()
        found = settled(kafka.log_address, publisher, PATIENCE_S if not variant else 10)
    publisher.stop()
    say(f"\n{variant or 'as shipped'}: lost {len(lost(publisher, found))} of {publisher.sent}")
    assert bool(lost(publisher, found)) == bool(variant)


# ------------------------------------------------------------------------------------------------ the MQTT broker dies


def test_the_broker_killed_with_a_queue(tmp_path: Path, new_mosquitto: NewMosquitto, new_kafka: NewKafka) -> None:
    """Three kills of a durable broker while one worker is frozen and Kafka is silent: sessions stay, old acknowledgements are dropped."""
    kafka, broker = new_kafka(), new_mosquitto(profile="durable")
    publisher = Publisher(broker.port)
    queued = []
    with line(tmp_path, broker, kafka.log_address) as workers:
        awake, frozen = workers
        publisher.warm_up(lambda: audit(kafka.log_address).rows)
        for _ in range(3):
            frozen.child.pause()
            kafka.child.pause()
            before = len(publisher.acked)
            publisher.publish(600, rate=400)
            until(lambda: len(publisher.acked) - before >= 500, "500 readings in the queue")  # noqa: B023 - asked at once
            queued.append(len(publisher.acked) - before)
            until(lambda: awake.metrics()["vorab_ingest_inflight"] > 0, "messages waiting for the log")
            broker.kill()
            broker.start()
            until(lambda: awake.metrics()["vorab_mqtt_connected"] == 1, "the new connection")
            kafka.child.resume()
            frozen.child.resume()
            publisher.wait()
            until(lambda: publisher.acked <= audit(kafka.log_address).readings, "everything on the log")
        found = settled(kafka.log_address, publisher)
        stale = sum(worker.counted("vorab_ingest_stale_acks_total") for worker in workers)
        forgotten = sum(worker.counted("vorab_ingest_session_lost_total") for worker in workers)
    publisher.stop()
    say(f"\nkill -9 of the broker 3, queued {queued}, acknowledged {len(publisher.acked)}, lost {len(lost(publisher, found))}, "
        f"twice {found.twice}, old acknowledgements dropped {stale:.0f}, sessions lost {forgotten:.0f}")  # fmt: skip
    assert min(queued) >= 500
    assert lost(publisher, found) == set()
    assert stale > 0, "the guard was never needed: nothing was tested"
    assert forgotten == 0


# ------------------------------------------------------------------------------------------------ the log is away


def test_kafka_killed_and_frozen(tmp_path: Path, new_mosquitto: NewMosquitto, new_kafka: NewKafka) -> None:
    """Down for 10, 10 and 30 seconds and frozen for 20, readings at 300 a second: none lost, and the workers do not grow."""
    kafka, broker = new_kafka(), new_mosquitto()
    publisher = Publisher(broker.port)
    with line(tmp_path, broker, kafka.log_address) as workers:
        publisher.publish(1_500, rate=300)
        before = [worker.resident_mb() for worker in workers]
        most = list(before)
        queued = 0
        for down_s in (10, 10, 30):
            kafka.kill()
            publisher.publish(300 * down_s, rate=300)
            queued = max(queued, 300 * down_s)
            most = [max(old, worker.resident_mb()) for old, worker in zip(most, workers, strict=True)]
            kafka.start()
            publisher.wait()
            _drained(kafka, publisher)
        kafka.child.pause()
        publisher.publish(300 * 20, rate=300)
        most = [max(old, worker.resident_mb()) for old, worker in zip(most, workers, strict=True)]
        kafka.child.resume()
        publisher.wait()
        found = settled(kafka.log_address, publisher)
        alive = all(worker.child.running for worker in workers)
    publisher.stop()
    growth = max(after - first for first, after in zip(before, most, strict=True))
    say(f"\nkafka killed 3, frozen 1; queued up to {queued}, acknowledged {len(publisher.acked)}, lost {len(lost(publisher, found))}, "
        f"twice {found.twice}, growth {growth:.0f} MB")  # fmt: skip
    assert queued >= 9_000
    assert lost(publisher, found) == set()
    assert alive
    assert growth < MOST_GROWTH_MB


def test_a_broker_with_its_own_defaults_loses_what_it_acknowledged(
    tmp_path: Path, new_mosquitto: NewMosquitto, new_kafka: NewKafka
) -> None:
    """The limits in deploy/mosquitto are no decoration: without them two thirds of 3,000 readings are gone while Kafka is away."""
    kafka, broker = new_kafka(), new_mosquitto(settings=DEFAULT_QUEUE)
    publisher = Publisher(broker.port)
    with line(tmp_path, broker, kafka.log_address, 1, VORAB_MQTT_RECEIVE_MAXIMUM="20") as (worker,):
        kafka.child.pause()
        publisher.publish(3_000)
        publisher.wait()
        kafka.child.resume()
        found = settled(kafka.log_address, publisher, 15)
        assert worker.child.running
    publisher.stop()
    say(f"\nbroker defaults: lost {len(lost(publisher, found))} of {len(publisher.acked)} acknowledged")
    assert lost(publisher, found)


def _drained(kafka: Kafka, publisher: Publisher) -> None:
    until(lambda: publisher.acked <= audit(kafka.log_address).readings, "the queue running dry")


# ------------------------------------------------------------------------------------------------ the network breaks


def test_links_that_break_stall_and_crawl(tmp_path: Path, new_mosquitto: NewMosquitto, new_kafka: NewKafka) -> None:
    """On the way to Mosquitto and on the way to Kafka: cut 4 times, silent for 12 s twice, slow by 200 ms, broken mid-packet 10 times."""
    chance = random.Random(7)
    with Proxy() as to_kafka, Proxy() as to_mqtt:
        kafka = new_kafka(through=to_kafka)
        broker = new_mosquitto()
        to_mqtt.target = broker.port
        publisher = Publisher(broker.port)
        address = f"kafka://127.0.0.1:{to_kafka.port}"
        with line(tmp_path, to_mqtt, address, 1) as (worker,):
            for link in (to_mqtt, to_kafka):
                for _ in range(4):
                    publisher.publish(200, rate=400)
                    until(lambda: link.cut() > 0, "a connection to cut")  # noqa: B023 - asked at once
                    worker.ready()
                for _ in range(2):
                    link.silent = True
                    publisher.publish(12 * 100, rate=100)
                    link.silent = False
                link.delay_s = 0.1  # each way
                publisher.publish(1_000, rate=400)
                link.delay_s = 0.0
                for _ in range(10):
                    broken = link.broken
                    more = chance.randrange(1, 2_000)
                    until(lambda: link.truncate_after(more) > 0, "a connection to break")  # noqa: B023 - asked at once
                    while link.broken == broken:
                        publisher.publish(50, rate=400)
                    worker.ready()
            publisher.wait()
            found = settled(kafka.log_address, publisher)
            assert worker.child.running, "the worker never had to be started again"
            worker.child.stop()
            assert worker.child.exit_code == 0, "no thread was stuck"
        breaks = to_mqtt.broken, to_kafka.broken
    publisher.stop()
    say(f"\nlinks broken (to Mosquitto, to Kafka): {breaks}; acknowledged {len(publisher.acked)}, lost {len(lost(publisher, found))}, "
        f"twice {found.twice}")  # fmt: skip
    assert lost(publisher, found) == set()
