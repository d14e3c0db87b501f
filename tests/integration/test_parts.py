"""The parts themselves: a test that stands on a broker must be able to trust it."""

from __future__ import annotations

import http.server
import smtplib
import threading
import uuid

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from playwright.sync_api import Error as PageError
from playwright.sync_api import Page

from tests.parts.base import PATIENCE_S, wait_until
from tests.parts.fixtures import NewKafka, NewMosquitto
from tests.parts.kafka import ForeignKafka, Kafka
from tests.parts.mosquitto import Mosquitto
from tests.parts.smtp import Answer, SmtpSink

QUEUED = 1_500
"""More than the 1,020 that Mosquitto's own defaults keep."""

SMALL_QUEUE = "max_queued_messages 1000\nmax_inflight_messages 20\n"


def _client(broker: Mosquitto, name: str, session_s: int = 0) -> Client:
    client = Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=MQTTv5)
    client.max_inflight_messages_set(1000)
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho leaves this one untyped
    properties.SessionExpiryInterval = session_s
    client.connect(broker.host, broker.port, clean_start=session_s == 0, properties=properties)
    return client


def _subscribe(broker: Mosquitto, name: str) -> None:
    """Open a persistent session with one subscription, then be away."""
    client = _client(broker, name, session_s=3600)
    subscribed = threading.Event()
    client.on_subscribe = lambda *_: subscribed.set()
    client.loop_start()
    wait_until(client.is_connected, "a connection to Mosquitto")
    client.subscribe("t/#", qos=1)
    assert subscribed.wait(PATIENCE_S)
    client.disconnect()
    client.loop_stop()


def _publish(broker: Mosquitto, count: int) -> int:
    """Publish QoS 1 and count the PUBACKs that say success."""
    client = _client(broker, f"publisher-{uuid.uuid4().hex}")
    acked: list[int] = []

    def on_publish(*arguments: object) -> None:
        if not getattr(arguments[3], "is_failure", False):
            acked.append(1)

    client.on_publish = on_publish
    client.loop_start()
    for number in range(count):
        client.publish("t/1", str(number), qos=1)
    wait_until(lambda: len(acked) == count, f"{count} PUBACKs")
    client.disconnect()
    client.loop_stop()
    return len(acked)


def _collect(broker: Mosquitto, name: str, atleast: int) -> int:
    """Take up the session again and count what the broker still has; settles once a last message has come through."""
    client = _client(broker, name, session_s=3600)
    seen: set[bytes] = set()
    client.on_message = lambda _client, _data, message: seen.add(bytes(message.payload))
    client.loop_start()
    wait_until(lambda: len(seen) >= atleast, f"{atleast} queued messages")
    sender = _client(broker, f"sentinel-{uuid.uuid4().hex}")
    sender.loop_start()
    wait_until(client.is_connected, "the subscriber's connection")
    sender.publish("t/1", "last", qos=1)
    wait_until(lambda: b"last" in seen, "the last message")
    for each in (sender, client):
        each.disconnect()
        each.loop_stop()
    return len(seen) - 1


def test_mosquitto_keeps_what_it_acked_while_the_subscriber_is_away(new_mosquitto: NewMosquitto) -> None:
    """With our limits a PUBACK is the truth: everything acked arrives later, beyond the broker's own default queue."""
    broker = new_mosquitto()
    _subscribe(broker, "ingest-0")

    assert _publish(broker, QUEUED) == QUEUED
    assert _collect(broker, "ingest-0", QUEUED) == QUEUED


def test_mosquitto_with_its_own_limits_loses_what_it_acked(new_mosquitto: NewMosquitto) -> None:
    """Known bad: the broker's defaults say success for messages that never arrive, so the test above proves something."""
    broker = new_mosquitto(settings=SMALL_QUEUE)
    _subscribe(broker, "ingest-0")

    assert _publish(broker, QUEUED) == QUEUED
    assert _collect(broker, "ingest-0", 1) < QUEUED


def test_the_durable_profile_survives_kill_9(new_mosquitto: NewMosquitto) -> None:
    """What the durable profile acked is still there after kill -9 of the broker."""
    broker = new_mosquitto(profile="durable")
    _subscribe(broker, "ingest-0")
    _publish(broker, 200)
    broker.kill()
    broker.start()

    assert _collect(broker, "ingest-0", 200) == 200


def test_the_standard_profile_does_not_survive_kill_9(new_mosquitto: NewMosquitto) -> None:
    """Known bad: without autosave on every change the queue and the session itself are gone."""
    broker = new_mosquitto()
    _subscribe(broker, "ingest-0")
    _publish(broker, 200)
    broker.kill()
    broker.start()

    _subscribe(broker, "ingest-0")
    assert _collect(broker, "ingest-0", 0) == 0


def _topic(kafka: Kafka | ForeignKafka, partitions: int = 1) -> str:
    name = f"parts-{uuid.uuid4().hex}"
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    try:
        admin.create_topics([NewTopic(name=name, num_partitions=partitions, replication_factor=1)])
    finally:
        admin.close()
    return name


def _append(kafka: Kafka | ForeignKafka, topic: str, values: list[bytes]) -> list[int]:
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap, acks="all", enable_idempotence=True)
    try:
        futures = [producer.send(topic, value=value, partition=0) for value in values]
        return [future.get(timeout=PATIENCE_S).offset for future in futures]
    finally:
        producer.close()


def _values(kafka: Kafka | ForeignKafka, topic: str, count: int) -> list[bytes]:
    consumer = KafkaConsumer(bootstrap_servers=kafka.bootstrap, enable_auto_commit=False, group_id=None)
    try:
        where = TopicPartition(topic, 0)
        consumer.assign([where])
        consumer.seek_to_beginning(where)
        got: list[bytes] = []

        def enough() -> bool:
            for records in consumer.poll(timeout_ms=200).values():
                got.extend(record.value for record in records)
            return len(got) >= count

        wait_until(enough, f"{count} records of {topic}")
        return got
    finally:
        consumer.close()


def test_kafka_gives_back_what_it_confirmed_in_order(kafka: Kafka | ForeignKafka) -> None:
    """Offsets of a partition rise by one and values come back in the order they were sent."""
    topic, values = _topic(kafka), [b"%d" % number for number in range(100)]

    assert _append(kafka, topic, values) == list(range(100))
    assert _values(kafka, topic, 100) == values


def test_kafka_still_has_it_after_kill_9(new_kafka: NewKafka) -> None:
    """A record that Kafka confirmed is there after kill -9 and a start on the same port."""
    kafka = new_kafka()
    topic = _topic(kafka)
    _append(kafka, topic, [b"before"])
    kafka.kill()
    kafka.start()

    _append(kafka, topic, [b"after"])
    assert _values(kafka, topic, 2) == [b"before", b"after"]


def _send(sink: SmtpSink, subject: str, timeout_s: float = PATIENCE_S) -> None:
    with smtplib.SMTP(sink.host, sink.port, timeout=timeout_s) as line:
        line.sendmail("vorab@example.org", ["someone@example.org"], f"Subject: {subject}\r\n\r\nhello\r\n")


def test_the_mail_sink_remembers_what_it_accepted(smtp_sink: SmtpSink) -> None:
    """A message that was sent can be read back, headers and body."""
    _send(smtp_sink, "pump 7")

    [mail] = smtp_sink.accepted
    assert mail.message["Subject"] == "pump 7"
    assert mail.recipients == ("someone@example.org",)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer.REFUSE, smtplib.SMTPDataError),
        (Answer.BUSY, smtplib.SMTPDataError),
        (Answer.DROP, smtplib.SMTPServerDisconnected),
    ],
)
def test_the_mail_sink_misbehaves_when_told(smtp_sink: SmtpSink, answer: Answer, error: type[Exception]) -> None:
    """Whatever it answers, the message was written down before, so a test can count what a provider really took."""
    smtp_sink.answer = answer
    with pytest.raises(error):
        _send(smtp_sink, "pump 7")

    assert [mail.answer for mail in smtp_sink.mails] == [answer]


def test_the_mail_sink_hangs_when_told(smtp_sink: SmtpSink) -> None:
    """A hanging provider has the message and never says so."""
    smtp_sink.answer = Answer.HANG
    with pytest.raises(smtplib.SMTPServerDisconnected, match="timed out"):
        _send(smtp_sink, "pump 7", timeout_s=5)

    assert len(smtp_sink.wait_for(1)) == 1
    assert smtp_sink.accepted == []


def test_the_browser_opens_what_we_serve_and_nothing_else(page: Page) -> None:
    """A page on loopback is shown, and a page that leans on the Internet would fail."""

    class Hello(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<title>hello</title>")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hello) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        assert page.title() == "hello"
        server.shutdown()
    with pytest.raises(PageError, match="ERR_NAME_NOT_RESOLVED"):
        page.goto("http://example.org/")
