"""How a machine answers commands: the neutral contract, device side. Pure: bytes and times in, answers with times out.

A device remembers the last 32 commands and repeats its answer, refuses what comes too late, waits for what comes too early,
and answers only below its own name.
"""

from __future__ import annotations

import json
from collections import Counter, OrderedDict
from typing import Any, Final, NamedTuple

from vorab.clock import Micros, parse_iso
from vorab.fleet.machines import Machine

REMEMBERED: Final = 32
_FINAL: Final = frozenset({"succeeded", "failed", "rejected", "expired"})


class Request(NamedTuple):
    """A command as it came over MQTT."""

    topic: str
    payload: bytes
    response_topic: str = ""
    """MQTT 5 only."""
    correlation: bytes = b""
    """MQTT 5 only."""
    retained: bool = False


class Answer(NamedTuple):
    """What to publish, and when (µs)."""

    at: Micros
    topic: str
    body: dict[str, Any]
    correlation: bytes = b""

    @property
    def payload(self) -> bytes:
        """The bytes to publish."""
        return json.dumps(self.body, separators=(",", ":"), ensure_ascii=False).encode()


def prefix_of(tenant: str, device: str) -> str:
    """The part of the topic space that belongs to one device."""
    return f"vorab/v1/{tenant}/{device}"


class Responder:
    """The commands of one machine.

    `counts` says how many commands were `done`, `repeated`, `expired`, `early`, `retained`, `foreign`, or `unreadable`.
    """

    def __init__(self, machine: Machine, prefix: str) -> None:
        self.machine, self.prefix = machine, prefix
        self.counts: Counter[str] = Counter()
        self.begun: list[tuple[str, Micros, Micros | None]] = []
        """Id, time and deadline of each command that was carried out since somebody last emptied this list."""
        self._early: list[tuple[Micros, Request]] = []
        self._answers: OrderedDict[str, list[Answer]] = OrderedDict()

    @property
    def due(self) -> Micros | None:
        """When the next command that came too early may begin, µs."""
        return min((at for at, _ in self._early), default=None)

    def released(self, now: Micros) -> list[Answer]:
        """Begin the early commands whose time has come."""
        ready = [request for at, request in self._early if at <= now]
        self._early = [(at, request) for at, request in self._early if at > now]
        return [answer for request in ready for answer in self.received(request, now)]

    def received(self, request: Request, now: Micros) -> list[Answer]:
        """The answers to one command, each with the time at which to publish it; the last one is final."""
        if request.retained:
            # A retained command would run again on every reconnect.
            self.counts["retained"] += 1
            return []
        name = request.topic.removeprefix(f"{self.prefix}/cmd/")
        body = _body(request.payload)
        if body is None or name == request.topic or "/" in name:
            self.counts["unreadable"] += 1
            return []
        to = self._response_topic(request, name)
        known = self._answers.get(body["id"])
        if known is not None:
            self.counts["repeated"] += 1
            return _latest(known, now)
        return self._fresh(name, body, request, to, now)

    def _fresh(self, name: str, body: dict[str, Any], request: Request, to: str, now: Micros) -> list[Answer]:
        params = body.get("params") or {}
        try:
            not_before, not_after = _moment(body.get("not_before")), _moment(body.get("not_after"))
        except ValueError as error:
            return self._remember(body["id"], [_refusal(now, "failed", "bad_params", str(error))], request, to)
        if not_after is not None and now > not_after:
            self.counts["expired"] += 1
            return self._remember(body["id"], [_refusal(now, "expired", "expired", "not_after has passed")], request, to)
        if body.get("name", name) != name or not isinstance(params, dict):
            return self._remember(body["id"], [_refusal(now, "failed", "bad_params", "name or params")], request, to)
        if not_before is not None and now < not_before:
            self.counts["early"] += 1
            self._early.append((not_before, request))
            return []
        self.counts["done"] += 1
        self.begun.append((body["id"], now, not_after))
        replies = self.machine.command(name, params, now)
        return self._remember(body["id"], [(now + reply.after, reply.body) for reply in replies], request, to)

    def _remember(self, id_: str, said: list[tuple[Micros, dict[str, Any]]], request: Request, to: str) -> list[Answer]:
        answers = [Answer(at, to, {"id": id_, **body, "ts": at // 1000}, request.correlation) for at, body in said]
        if answers:
            self._answers[id_] = answers
            while len(self._answers) > REMEMBERED:
                self._answers.popitem(last=False)
        return answers

    def _response_topic(self, request: Request, name: str) -> str:
        own = f"{self.prefix}/cmd/{name}/res"
        if not request.response_topic or request.response_topic == own:
            return own
        if request.response_topic.startswith(f"{self.prefix}/cmd/"):
            return request.response_topic
        # Somebody wants the answer sent into another device's name: answer where answers belong.
        self.counts["foreign"] += 1
        return own


def final(body: dict[str, Any]) -> bool:
    """Whether no further answer follows."""
    return body.get("status") in _FINAL


def _latest(answers: list[Answer], now: Micros) -> list[Answer]:
    said = [answer for answer in answers if answer.at <= now]
    # Still at work: what was said last is said again; the final answer is on its way already.
    return [said[-1]._replace(at=now)] if said else []


def _body(payload: bytes) -> dict[str, Any] | None:
    try:
        body = json.loads(payload)
    except ValueError:
        return None
    return body if isinstance(body, dict) and isinstance(body.get("id"), str) and body["id"] else None


def _moment(value: object) -> Micros | None:
    if value is None:
        return None
    if isinstance(value, str):
        return parse_iso(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return int(value * 1000)
    raise ValueError(f"not a time: {value!r}")


def _refusal(at: Micros, status: str, code: str, message: str) -> tuple[Micros, dict[str, Any]]:
    return at, {"status": status, "error": {"code": code, "message": message}}
