"""A device of vorab on MicroPython (and on Python, for trying): readings that are kept until they are in the log, and commands.

    device = Device(MQTTClient("pump-7", "broker.local", keepalive=60), "pump-7", boot=next_boot("boot.txt"), clock=clock_ms)
    device.on("restart", lambda params: {"restarts": 4})
    device.connect()
    while True:
        device.send({"temperature": 71.4})
        device.poll()

`client` is an MQTTClient of umqtt.simple. Nothing here blocks but `connect`, and the wait for the broker's PUBACK in `send`.
"""

import json
import time

REMEMBERED = 32  # commands whose answer is repeated when they come again; the contract asks for this many
RESEND_MS = 10_000  # a reading that nobody acknowledged for so long goes out again
RESEND_AT_ONCE = 8  # and only so many in a row, so that commands get their turn


def next_boot(path):
    """The number of this boot: one more than the last, kept in a file."""
    try:
        with open(path) as file:
            boot = int(file.read()) + 1
    except (OSError, ValueError):
        boot = 1
    with open(path, "w") as file:
        file.write(str(boot))
    return boot


def clock_ms():
    """Milliseconds since 1970 UTC, or None while the clock was never set: then vorab takes the time of arrival."""
    seconds = time.time()
    if time.gmtime(0)[0] == 2000:  # many boards count from 2000
        seconds += 946_684_800
    return int(seconds * 1000) if seconds > 1_577_836_800 else None


def ticks_ms():
    """A clock for waiting; it need not know the date."""
    return time.ticks_ms() if hasattr(time, "ticks_ms") else int(time.monotonic() * 1000)


def since_ms(before):
    """How long ago that was; on a board ticks run over."""
    return time.ticks_diff(time.ticks_ms(), before) if hasattr(time, "ticks_diff") else ticks_ms() - before


def iso_ms(text):
    """Milliseconds since 1970 of `2026-11-23T20:15:00.123456Z`; raises ValueError for anything else."""
    if len(text) < 20 or text[-1] != "Z" or text[4] + text[7] + text[10] + text[13] + text[16] != "--T::":
        raise ValueError(text)
    year, month, day = int(text[:4]), int(text[5:7]), int(text[8:10])
    hour, minute, second = int(text[11:13]), int(text[14:16]), int(text[17:19])
    milli = int((text[20:-1] + "000")[:3]) if text[19] == "." else 0
    # Days since 1970 by counting from 1 March, so that the leap day is the last of the year.
    year -= month <= 2
    day += (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 - 1
    days = 365 * year + year // 4 - year // 100 + year // 400 + day - 719_468
    return ((days * 24 + hour) * 60 + minute) * 60_000 + second * 1000 + milli


class Refused(Exception):
    """Raise it in a command's handler to answer `rejected`: the device will not, and why."""


class Device:
    """Readings out, commands in; `lost` counts readings that left the ring before anybody acknowledged them."""

    def __init__(self, client, name, boot, tenant="main", keep=64, clock=clock_ms):
        self.client, self.boot, self.keep, self.clock = client, boot, keep, clock
        self.base = "vorab/v1/" + tenant + "/" + name
        self.seq = self.acked = self.lost = 0
        self._ring = []  # [seq, ts, values, when last sent], oldest first; seq rises by one
        self._handlers = {}
        self._answers = []  # (id, name, body), oldest first
        self._inbox = []
        self._pinged = ticks_ms()
        client.set_callback(self._heard)
        # The broker says this when we are gone without a word, after 1.5 times the keep-alive.
        client.set_last_will(self._topic("status"), b'{"status":"offline"}', retain=True, qos=1)

    @property
    def waiting(self):
        """Readings that are not known to be in the log yet."""
        return len(self._ring)

    def on(self, name, handler):
        """Call `handler(params)` for the command; what it returns (a dict of plain values, or None) is the result."""
        self._handlers[name] = handler

    def connect(self):
        """Connect, or connect again: say that we are here, and send what is not acknowledged. Raises OSError."""
        # The broker keeps our session, so that a command waits there while we are away; not_after says for how long it is good.
        self.client.connect(clean_session=False)
        self.client.subscribe(self._topic("cmd/+"), 1)
        self.client.subscribe(self._topic("ack"), 1)
        self.client.publish(self._topic("status"), b'{"status":"online"}', retain=True, qos=1)
        for entry in self._ring:
            entry[3] = None

    def leave(self):
        """Say goodbye: then nobody is alarmed."""
        self.client.publish(self._topic("status"), b'{"status":"offline","reason":"goodbye"}', retain=True, qos=1)
        self.client.disconnect()

    def send(self, values):
        """Take a reading of now, and try to send it. Raises OSError without a connection; the reading is kept all the same."""
        self.seq += 1
        self._ring.append([self.seq, self.clock(), values, None])
        if len(self._ring) > self.keep:
            # The oldest goes: vorab sees the hole in seq and reports it. What is given up must not be waited for, or nothing behind it
            # could be acknowledged.
            self.acked = max(self.acked, self._ring.pop(0)[0])
            self.lost += 1
        self._publish(self._ring[-1])

    def send_senml(self, records):
        """The same as SenML (RFC 8428), for units and several instants in one; it is not numbered, so the broker's word must do."""
        self.client.publish(self._topic("telemetry"), json.dumps(records).encode(), qos=1)

    def poll(self):
        """Hear what has come, answer, send again what stayed unanswered, and keep the connection. Raises OSError when it is gone."""
        while self.client.check_msg() is not None:
            pass
        while self._inbox:
            self._command(*self._inbox.pop(0))
        due = [entry for entry in self._ring if entry[3] is None or since_ms(entry[3]) > RESEND_MS]
        for entry in due[:RESEND_AT_ONCE]:
            self._publish(entry)
        if self.client.keepalive and since_ms(self._pinged) > self.client.keepalive * 500:
            self._pinged = ticks_ms()
            self.client.ping()

    # ------------------------------------------------------------------------------------------------ inside

    def _topic(self, end):
        return (self.base + "/" + end).encode()

    def _publish(self, entry):
        seq, ts, values, _ = entry
        body = {"boot": self.boot, "seq": seq, "acked": self.acked, "values": values}
        if ts is not None:
            body["ts"] = ts
        self.client.publish(self._topic("telemetry"), json.dumps(body).encode(), qos=1)
        entry[3] = ticks_ms()

    def _heard(self, topic, payload):
        # umqtt calls this while it waits for a PUBACK: to publish from here would lose that one. So only note what came.
        topic = topic.decode()
        try:
            body = json.loads(payload)
        except ValueError:
            return
        if not isinstance(body, dict):
            return
        if topic == self.base + "/ack":
            if body.get("boot") == self.boot and isinstance(body.get("seq"), int):
                self.acked = max(self.acked, body["seq"])
                self._ring = [entry for entry in self._ring if entry[0] > self.acked]
        elif topic.startswith(self.base + "/cmd/") and isinstance(body.get("id"), str):
            self._inbox.append((topic[len(self.base) + 5 :], body))

    def _command(self, name, body):
        for id_, answered, said in self._answers:
            if id_ == body["id"]:
                # Commands come at least once. This one is done: say again what was said.
                self._say(answered, said)
                return
        refusal = self._refusal(name, body)
        if refusal:
            status, code, why = refusal
            self._answer(name, body["id"], {"status": status, "error": {"code": code, "message": why}})
            return
        self._say(name, {"id": body["id"], "status": "accepted"})
        try:
            result = self._handlers[name](body.get("params") or {})
            self._answer(name, body["id"], {"status": "succeeded", "result": result or {}})
        except Refused as why:
            self._answer(name, body["id"], {"status": "rejected", "error": {"code": "refused", "message": str(why)}})
        except Exception as why:  # whatever goes wrong in a handler is the answer, and not the end of the device
            self._answer(name, body["id"], {"status": "failed", "error": {"code": type(why).__name__, "message": str(why)}})

    def _refusal(self, name, body):
        if name not in self._handlers:
            return "rejected", "unknown", "this device has no command " + name
        now = self.clock()
        if now is None:
            return "rejected", "no_clock", "without a clock nobody knows whether this is too late"
        try:
            if now > iso_ms(body["not_after"]):
                return "expired", "expired", "not_after has passed"
        except (KeyError, TypeError, ValueError, IndexError):
            return "rejected", "bad_time", "not_after is no time"
        return None

    def _answer(self, name, id_, body):
        body["id"] = id_
        self._answers.append((id_, name, body))
        if len(self._answers) > REMEMBERED:
            self._answers.pop(0)
        self._say(name, body)

    def _say(self, name, body):
        self.client.publish(self._topic("cmd/" + name + "/res"), json.dumps(body).encode(), qos=1)
