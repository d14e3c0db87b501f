"""What the example for MicroPython decides, without a broker: a client that only writes down, and a clock that is set by hand."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.acks import AckBook, Mark
from tests.parts.base import REPOSITORY
from vorab.clock import iso

FIRMWARE: Final = REPOSITORY / "firmware"
NOW_MS: Final = 1_795_467_600_000


def _load() -> Any:
    spec = importlib.util.spec_from_file_location("firmware_vorab", FIRMWARE / "micropython" / "vorab.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


vorab: Final = _load()


class Client:
    """Writes down what is published; hands over what the test says."""

    def __init__(self) -> None:
        self.keepalive = 0
        self.said: list[tuple[str, Any]] = []
        self.cb: Callable[[bytes, bytes], None] = lambda _topic, _payload: None
        self.away = False

    def set_callback(self, f: Callable[[bytes, bytes], None]) -> None:
        """As umqtt."""
        self.cb = f

    def set_last_will(self, topic: bytes, msg: bytes, **_more: object) -> None:
        """As umqtt."""

    def connect(self, *, clean_session: bool) -> None:
        """As umqtt."""

    def subscribe(self, topic: bytes, qos: int) -> None:
        """As umqtt."""

    def publish(self, topic: bytes, msg: bytes, **_how: object) -> None:
        """As umqtt."""
        if self.away:
            raise OSError(-1)
        self.said.append((topic.decode(), json.loads(msg)))

    def check_msg(self) -> None:
        """As umqtt."""

    def hear(self, end: str, body: object) -> None:
        """A message arrives."""
        self.cb(f"vorab/v1/main/pump-7/{end}".encode(), body if isinstance(body, bytes) else json.dumps(body).encode())

    def numbers(self) -> list[int]:
        """The seq of each reading said so far; then they are forgotten."""
        found = [body["seq"] for topic, body in self.said if topic.endswith("/telemetry")]
        self.said.clear()
        return found


def pump(keep: int = 4, clock: Callable[[], int | None] = lambda: NOW_MS) -> tuple[Any, Client]:
    """A device and its client."""
    client = Client()
    return vorab.Device(client, "pump-7", boot=3, keep=keep, clock=clock), client


def order(id_: str, until_ms: int = NOW_MS + 60_000, **more: Any) -> dict[str, Any]:
    """A command."""
    return {"id": id_, "name": "restart", "params": {}, "not_after": iso(until_ms * 1000), **more}


@given(st.integers(min_value=-62_135_596_800_000, max_value=253_402_300_799_999))
def test_every_moment_is_read_as_python_reads_it(ms: int) -> None:
    """Leap years, centuries and all: the arithmetic without a calendar library agrees, from the year 1 to 9999."""
    assert vorab.iso_ms(iso(ms * 1000)) == ms


@pytest.mark.parametrize("text", ["", "2026-11-23", "2026-11-23T20:15:00+01:00", "2026/11/23T20:15:00Z", "yesterday at twenty"])
def test_what_is_no_moment_is_no_moment(text: str) -> None:
    """Another zone or another form is refused, not guessed."""
    with pytest.raises(ValueError, match=r".*"):
        vorab.iso_ms(text)


def test_readings_stay_until_they_are_acknowledged() -> None:
    """An acknowledgement of this boot empties the ring up to its number; one of another boot, or rubbish, changes nothing."""
    device, client = pump()
    for n in range(3):
        device.send({"x": n})
    assert client.said[-1] == ("vorab/v1/main/pump-7/telemetry", {"boot": 3, "seq": 3, "acked": 0, "values": {"x": 2}, "ts": NOW_MS})
    rubbish: list[object] = [{"boot": 2, "seq": 3}, {"boot": 3, "seq": "3"}, {"boot": 3}, [], b"{", 7]
    for body in rubbish:
        client.hear("ack", body)
    assert device.waiting == 3
    client.hear("ack", {"boot": 3, "seq": 2})
    assert (device.waiting, device.acked) == (1, 2)
    client.hear("ack", {"boot": 3, "seq": 1})
    assert (device.waiting, device.acked) == (1, 2)


def test_after_a_reconnect_everything_that_waits_goes_out_again_in_order() -> None:
    """What was sent while the connection was away, and what nobody acknowledged."""
    device, client = pump()
    device.send({"x": 0})
    client.away = True
    for n in (1, 2):
        with pytest.raises(OSError, match="-1"):
            device.send({"x": n})
    client.away = False
    assert client.numbers() == [1]
    device.poll()
    assert client.numbers() == [2, 3]
    device.connect()
    device.poll()
    assert client.numbers() == [1, 2, 3]


def test_a_full_ring_forgets_the_oldest_and_counts_it() -> None:
    """Memory is bounded; the number of the lost reading is missing, so vorab sees the hole."""
    device, client = pump(keep=4)
    client.away = True
    for n in range(6):
        with pytest.raises(OSError, match="-1"):
            device.send({"x": n})
    client.away = False
    device.poll()
    assert (client.numbers(), device.lost) == ([3, 4, 5, 6], 2)


def test_what_was_given_up_holds_nothing_up() -> None:
    """After a long absence the oldest readings are gone: what is still there is acknowledged all the same, by vorab's own book."""
    device, client = pump(keep=4)
    client.away = True
    for i in range(10):
        with suppress(OSError):
            device.send({"x": i})
    client.away = False
    device.poll()
    marks = [Mark("main/pump-7", body["boot"], body["seq"], body["acked"]) for _, body in client.said]
    [note] = AckBook().stored(marks, NOW_MS * 1000)
    client.hear("ack", note.payload)
    client.said.clear()
    device.send({"x": 10})
    assert client.numbers() == [11]
    assert device.acked == 10


def test_a_command_is_done_once_and_its_answer_repeated() -> None:
    """The last 32 ids are remembered; the 33rd pushes the first out."""
    device, client = pump()
    done: list[object] = []
    device.on("restart", done.append)
    for _ in range(3):
        client.hear("cmd/restart", order("a"))
        device.poll()
    assert len(done) == 1
    assert [body["status"] for _, body in client.said] == ["accepted", "succeeded", "succeeded", "succeeded"]
    assert client.said[1] == client.said[2] == client.said[3]
    for n in range(vorab.REMEMBERED - 1):
        client.hear("cmd/restart", order(f"b{n}"))
    client.hear("cmd/restart", order("a"))
    device.poll()
    assert len(done) == vorab.REMEMBERED
    client.hear("cmd/restart", order("c"))
    client.hear("cmd/restart", order("a"))
    device.poll()
    assert len(done) == vorab.REMEMBERED + 2


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (order("a", NOW_MS - 1), "expired", "expired"),
        (order("a", not_after="soon"), "rejected", "bad_time"),
        ({"id": "a"}, "rejected", "bad_time"),
    ],
)
def test_what_is_late_or_without_a_term_is_not_done(body: dict[str, Any], status: str, code: str) -> None:
    """A device refuses after not_after, and what has no not_after."""
    device, client = pump()
    device.on("restart", lambda _params: pytest.fail("done all the same"))
    client.hear("cmd/restart", body)
    device.poll()
    [(topic, said)] = client.said
    assert (topic, said["id"], said["status"], said["error"]["code"]) == ("vorab/v1/main/pump-7/cmd/restart/res", "a", status, code)


def test_a_device_without_a_clock_refuses_and_lets_vorab_date_its_readings() -> None:
    """No ts rather than a wrong one, and no command whose term nobody can judge."""
    device, client = pump(clock=lambda: None)
    device.on("restart", lambda _params: pytest.fail("done all the same"))
    device.send({"x": 1})
    client.hear("cmd/restart", order("a"))
    device.poll()
    assert "ts" not in client.said[0][1]
    assert client.said[1][1]["error"]["code"] == "no_clock"


def test_a_handler_that_fails_is_an_answer_and_not_the_end() -> None:
    """An exception becomes `failed`, a refusal `rejected`; what is unknown is rejected as well, and messages that are no commands pass."""
    device, client = pump()

    def stuck(_params: object) -> None:
        raise RuntimeError("valve stuck")

    def unwilling(_params: object) -> None:
        raise vorab.Refused("not while it runs")

    device.on("close", stuck)
    device.on("open", unwilling)
    for name in ("close", "open", "explode"):
        client.hear(f"cmd/{name}", order(name))
    rubbish: list[object] = [b"{", [], {"name": "close"}, {"id": 7}]
    for body in rubbish:
        client.hear("cmd/close", body)
    device.poll()
    final = {said["id"]: (said["status"], said["error"]["message"]) for _, said in client.said if said["status"] != "accepted"}
    assert final == {
        "close": ("failed", "valve stuck"),
        "open": ("rejected", "not while it runs"),
        "explode": ("rejected", "this device has no command explode"),
    }


def test_the_boot_counts_up_over_whatever_the_file_holds(tmp_path: Path) -> None:
    """No file, a number, rubbish."""
    file = tmp_path / "boot.txt"
    assert [vorab.next_boot(str(file)) for _ in range(3)] == [1, 2, 3]
    file.write_text("?")
    assert vorab.next_boot(str(file)) == 1


# ------------------------------------------------------------------------------------------------ C and C++

SOURCES: Final = {
    "arduino": ("g++", ["-std=c++17", "-x", "c++"], "arduino/vorab_device/vorab_device.ino"),
    "esp-idf component": ("gcc", ["-std=gnu17", "-x", "c"], "esp-idf/components/vorab/vorab.c"),
    "esp-idf main": ("gcc", ["-std=gnu17", "-x", "c"], "esp-idf/main/main.c"),
}


def compiled(which: str, source: Path) -> subprocess.CompletedProcess[str]:
    """What the compiler says to it, with the words of the libraries from tests/parts/boards."""
    compiler, options, _ = SOURCES[which]
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not on PATH")
    stubs = REPOSITORY / "tests" / "parts" / "boards" / which.split(maxsplit=1)[0]
    include = ["-I", str(stubs), "-I", str(FIRMWARE / "esp-idf" / "components" / "vorab" / "include")]
    argv = [compiler, "-fsyntax-only", "-Wall", "-Wextra", "-Werror", *options, *include, str(source)]
    return subprocess.run(argv, check=False, capture_output=True, text=True)


@pytest.mark.parametrize("which", SOURCES)
def test_the_examples_in_c_compile_against_the_libraries_words(which: str) -> None:
    """Without a board: every call has the name and the arguments that the libraries' headers give it, and no warning is left."""
    assert compiled(which, FIRMWARE / SOURCES[which][2]).stderr == ""


@pytest.mark.parametrize(
    ("which", "word"), [("arduino", "mqtt.publish("), ("esp-idf component", "esp_mqtt_client_enqueue("), ("esp-idf main", "vorab_send(")]
)
def test_a_call_that_no_library_knows_is_caught(which: str, word: str, tmp_path: Path) -> None:
    """Known bad: a name that is not there, in the same source."""
    wrong = tmp_path / Path(SOURCES[which][2]).name
    right = (FIRMWARE / SOURCES[which][2]).read_text()
    wrong.write_text(right.replace(word, word.replace("(", "_now(")))
    assert word in right
    assert compiled(which, wrong).returncode


@pytest.mark.parametrize("which", ["arduino", "esp-idf component"])
def test_the_examples_in_c_read_the_term_of_a_command_as_python_does(which: str, tmp_path: Path) -> None:
    """Their arithmetic of days, cut out and run: the turns of years, leap days, what is no moment."""
    compiler, options, source = SOURCES[which]
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not on PATH")
    found = re.search(r"static int64_t iso_s\(.*?\n}\n", (FIRMWARE / source).read_text(), re.DOTALL)
    assert found is not None
    whole = f"""#include <stdint.h>
#include <stdio.h>
#include <string.h>
{found[0]}
int main(int count, char **text) {{ for (int i = 1; i < count; i++) printf("%lld\\n", (long long)iso_s(text[i])); return 0; }}
"""
    program = tmp_path / "iso"
    subprocess.run([compiler, *options, "-o", str(program), "-"], input=whole, text=True, check=True)
    days = [(y, m, d) for y in (2020, 2023, 2024, 2026, 2100) for m, d in ((1, 1), (2, 28), (3, 1), (12, 31))] + [
        (2024, 2, 29),
        (2000, 2, 29),
    ]
    moments = [int(datetime(y, m, d, 23, 59, 58, tzinfo=UTC).timestamp()) for y, m, d in days]
    texts = [iso(moment * 1_000_000 + 123_456) for moment in moments]
    done = subprocess.run(
        [str(program), *texts, "", "soon", "2026-11-23", "2026-11-23T20:15:00+01:00"], capture_output=True, text=True, check=True
    )
    assert [int(line) for line in done.stdout.split()] == [*moments, 0, 0, 0, 0]
