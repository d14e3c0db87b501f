"""Runs the demo: starts everything, watches the log, kills the pipeline once, tells the beats, and adds up."""

from __future__ import annotations

import json
import signal
import subprocess
import tempfile
import webbrowser
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from vorab import provision, settings, topics
from vorab.clock import DAY, SECOND, Clock, StoryClock, SystemClock, iso
from vorab.demo import scenes, stage
from vorab.demo.beats import BEATS, Beat, Facts, Recorded, machine_temperature, summary
from vorab.demo.broker import Broker, free_port, start
from vorab.demo.follow import Follower
from vorab.demo.night import Night
from vorab.errors import EXIT_OK, EXIT_PROBLEMS, Unavailable
from vorab.log import open_log
from vorab.runtime import READY_FILE
from vorab.supervisor import Supervisor

KILL_AT: Final = 0.62
"""Of the night: between two faults, when nobody would notice."""
REPLAY_SHARE: Final = 0.85
HEAD_START_S: Final = 2.5
"""From setting the clock until it says 22:00: pipeline and machines should be up by then. Of a night of a minute, as all of these."""
LEAD_S: Final = 120.0
"""Longest wait for the pipeline to be ready before the night begins."""
LAST_LOOK_S: Final = 2.0
"""How long the live page may still ask for the last beats."""
GRACE_S: Final = 20.0
"""Longest wait after the night until every message is settled."""
DRAIN_S: Final = 1.0
"""For what is still under way when the machines have been stopped; a broker that lost it will not bring it later either."""
QUIET_S: Final = 0.2
"""Nothing new for so long, and nothing is under way any more."""


@dataclass(slots=True)
class Options:
    """What the command line says."""

    seconds: float = 60.0
    machines: int = 200
    port: int = 0
    browser: bool = True
    state_dir: Path | None = None
    broker: str = ""

    @property
    def stretch(self) -> float:
        """How many times longer than a minute the night is: a slow machine needs a long one, and as much more time for the rest."""
        return min(max(1.0, self.seconds / 60), 10.0)


Tell = Callable[[Beat, Facts], None]
Begin = Callable[[str, str], None]


@dataclass(slots=True)
class Demo:
    """One run."""

    options: Options
    tell: Tell
    begin: Begin
    wall: SystemClock = field(default_factory=SystemClock)
    beats: list[Beat] = field(default_factory=lambda: [Beat(name, title) for name, (title, _) in BEATS.items()])
    started_at: int = 0
    ready_s: float = 0.0
    desk_url: str = ""

    def run(self) -> tuple[int, dict[str, Any]]:
        """Play the night; returns the exit code and the figures."""
        self.started_at = self.wall.now()
        folder = self.options.state_dir or Path(tempfile.mkdtemp(prefix="vorab-demo-"))
        folder.mkdir(parents=True, exist_ok=True)
        broker = start(folder, self.options.broker)
        try:
            return self._with_broker(folder, broker)
        finally:
            broker.stop()

    def _with_broker(self, folder: Path, broker: Broker) -> tuple[int, dict[str, Any]]:
        clock = stage.night_clock(self.options.seconds, self.wall.now() + int(HEAD_START_S * self.options.stretch * SECOND))
        file = stage.write_settings(folder, broker=broker, clock=clock, desk_port=self.options.port or free_port())
        stage.write_people(folder)
        found = settings.load(file, {})
        with open_log(found.log_address) as log:
            provision.create_topics(log, found)
            stage.register(log, self.options.machines, clock.start)
        output = (folder / "vorab.log").open("ab")
        pipeline = Supervisor(stage.pipeline_command(file), self.wall, env=stage.pipeline_environment(clock), output=output)
        pipeline.start()
        players: list[subprocess.Popen[bytes]] = []
        try:
            self._await_ready(folder, pipeline, broker.promise)
            facts = self._facts(clock, broker)
            players = [
                stage.start_fleet(folder, broker, clock, self.options.machines),
                stage.start_replay(folder, broker, clock, self.options.seconds * REPLAY_SHARE),
            ]
            self._play(folder, facts, pipeline, players)
        finally:
            for player in players:
                _end(player)
            pipeline.stop()
            output.close()
        facts.unexpected_exits = len([code for code in pipeline.exits[:-1] if code != 0]) - pipeline.expected
        self._look(folder, facts)
        return self._result(folder, facts)

    # ------------------------------------------------------------------------------------------------ the night

    def _await_ready(self, folder: Path, pipeline: Supervisor, promise: str) -> None:
        file = folder / READY_FILE
        deadline = self.wall.now() + LEAD_S * SECOND
        while not file.exists():
            if self.wall.now() > deadline or not pipeline.running:
                raise Unavailable(f"the pipeline did not start; see {folder / 'vorab.log'}")
            self.wall.sleep(0.02)
        said = json.loads(file.read_text(encoding="utf-8"))
        self.ready_s = self._since_start()
        self.desk_url = f"http://127.0.0.1:{said['desk_port']}/"
        self.begin(self.desk_url, promise)
        if self.options.browser:
            webbrowser.open(self.desk_url + "demo")

    def _facts(self, clock: StoryClock, broker: Broker) -> Facts:
        return Facts(
            night=Night(clock, end=stage.end_of(clock)),
            machines=self.options.machines,
            homes=3,
            start=clock.start,
            end=stage.end_of(clock),
            calm_until=stage.calm_until(clock),
            morning=stage.morning_of(clock),
            zone=ZoneInfo(stage.ZONE),
            recorded=tuple(stage.recordings()),
            broker_promise=broker.promise,
        )

    def _play(self, folder: Path, facts: Facts, pipeline: Supervisor, players: list[subprocess.Popen[bytes]]) -> None:
        clock = facts.night.clock
        with open_log(f"sqlite:///{folder / 'log.db'}", read_only=True) as log:
            follower = Follower(log, facts.night)
            kill_at = clock.wall(facts.start) + int(self.options.seconds * KILL_AT * SECOND)
            last = clock.wall(facts.end) + GRACE_S * self.options.stretch * SECOND
            killed_at = readings_at_kill = 0
            paused = False
            _, replay = players
            while self.wall.now() < last and not self._over(facts, players):
                follower.catch_up()
                if not killed_at and self.wall.now() >= kill_at:
                    if facts.may_lose:
                        # What is under way arrives first; what is not published cannot be lost.
                        _signal(replay, signal.SIGSTOP)
                        paused = True
                        self.wall.sleep(QUIET_S)
                    killed_at = facts.kill.at = self.wall.now()
                    facts.kill.story_at = clock.now()
                    pipeline.kill()
                    facts.kill.done = True
                    follower.catch_up()
                    readings_at_kill = facts.night.readings
                if killed_at and facts.kill.dead_s is None and follower.last_append_at > killed_at + SECOND // 5:
                    facts.kill.dead_s = (follower.last_append_at - killed_at) / SECOND
                if paused and facts.kill.dead_s is not None and facts.night.readings > readings_at_kill:
                    # The machines are heard again, so the recording will be, too.
                    _signal(replay, signal.SIGCONT)
                    paused = False
                self._look(folder, facts)
                self.wall.sleep(0.1)
            # The machines go last, or vorab would rightly miss them.
            for player in players:
                _end(player)
            published = _last_json(folder / "fleet.out").get("published", 0)
            drain(follower, published, self.wall, self.options.stretch)
            pipeline.stop()
            follower.catch_up()
            facts.kill.lost = published - facts.night.unique_readings
            facts.recorded_published = _last_json(folder / "replay.out").get("published")

    @staticmethod
    def _over(facts: Facts, players: list[subprocess.Popen[bytes]]) -> bool:
        """Whether the night is over, the recordings are played and every message is settled."""
        night = facts.night
        if night.clock.now() < facts.end or players[-1].poll() is None:
            return False
        return all(night.final(name) for name in night.told)

    def _look(self, folder: Path, facts: Facts) -> None:
        facts.fixed_messages = {file.stem: 1 for file in (folder / "messages").glob("*.eml")}
        for beat in self.beats:
            verdict = BEATS[beat.name][1](facts)
            fresh = verdict.ok and not beat.ok
            beat.ok, beat.text = verdict
            if beat.name == "kill" and facts.kill.dead_s is not None:
                beat.at_s = beat.at_s or round(self._since_start(), 2)
            if fresh:
                beat.at_s = beat.at_s or round(self._since_start(), 2)
                if beat.name != "sum":
                    self.tell(beat, facts)
        clock = facts.night.clock
        said = {
            "beats": [asdict(beat) for beat in self.beats],
            "story": {
                "now": iso(clock.now()),
                "start": iso(facts.start),
                "origin": clock.wall(facts.start) / SECOND,
                "speed": clock.speed,
                "zone": stage.ZONE,
                "seconds": self.options.seconds,
            },
            "sum": summary(facts),
            "end": facts.end // 1000,
            "scenes": scenes.told(facts.start),
            "recorded": [_recorded(series) for series in facts.recorded],
        }
        temporary = folder / "beats.tmp"
        temporary.write_text(json.dumps(said), encoding="utf-8")
        temporary.replace(folder / "beats.json")

    # ------------------------------------------------------------------------------------------------ the sum

    def _result(self, folder: Path, facts: Facts) -> tuple[int, dict[str, Any]]:
        night = facts.night
        errors = error_lines(folder / "vorab.log")
        first = night.first_symptom_at
        result: dict[str, Any] = {
            "beats": [{"name": beat.name, "at_s": beat.at_s, "ok": beat.ok, "text": beat.text} for beat in self.beats],
            "sum": summary(facts),
            "machine_temperature": machine_temperature(facts),
            "log_errors": len(errors),
            "unexpected_exits": facts.unexpected_exits,
            "rejections": sum(night.rejections.values()),
            "broker": facts.broker_promise,
            "start_s": round(self.ready_s, 2),
            "first_symptom_s": round((first - self.started_at) / SECOND, 2) if first else None,
            "state_dir": str(folder),
        }
        well = all(beat.ok for beat in self.beats) and not errors and not facts.unexpected_exits
        return (EXIT_OK if well else EXIT_PROBLEMS), result

    def _since_start(self) -> float:
        return (self.wall.now() - self.started_at) / SECOND


def drain(follower: Follower, published: int, clock: Clock, stretch: float = 1.0) -> None:
    """Wait until everything the fleet published is in the log, or nothing comes any more: machines that are stopped are soon missed."""
    begun = grown_at = clock.now()
    count = -1
    while clock.now() - begun < DRAIN_S * stretch * SECOND and clock.now() - grown_at < QUIET_S * stretch * SECOND:
        follower.catch_up()
        if follower.night.unique_readings >= published:
            return
        arrived = follower.night.readings + follower.night.recorded_readings
        if arrived > count:
            count, grown_at = arrived, clock.now()
        clock.sleep(0.05)


def _recorded(series: Recorded) -> dict[str, Any]:
    """A recorded series and what is documented about it, for the live page; times in µs."""
    return {
        "device": topics.key_of(topics.RECORDED_TENANT, series.device),
        "title": series.title,
        "first": series.windows[0].first - 8 * DAY,
        "last": series.windows[-1].last + 11 * DAY,
        "windows": [window._asdict() for window in series.windows],
    }


def error_lines(file: Path) -> list[str]:
    """Log lines at ERROR or worse, and lines that are no log line at all (a traceback)."""
    found = []
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            level = json.loads(line).get("level", "")
        except (ValueError, AttributeError):
            level = "error" if line.strip() else ""
        if level in {"error", "critical", "fatal"}:
            found.append(line)
    return found


def _last_json(file: Path) -> dict[str, Any]:
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("{")]
    found: dict[str, Any] = json.loads(lines[-1]) if lines else {}
    return found


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if process.poll() is None:
        process.send_signal(number)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        _signal(process, signal.SIGCONT)  # should it be paused
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
