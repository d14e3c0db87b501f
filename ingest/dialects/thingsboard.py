"""ThingsBoard: gateways, devices behind a broker that writes their name in front of the topic, and RPC to both.

    v1/gateway/telemetry | attributes | connect | disconnect | rpc        the devices of a gateway, by name
    {device}/v1/gateway/…                                                the same, when the topic names the gateway
    {device}/v1/devices/me/telemetry | attributes | rpc/response/{id}     a device by itself

A gateway names its devices in the payload, so only a broker that lets nobody else write to the gateway's topics makes that an identity:
this dialect is heard where `ingest.dialects` names it, and not by itself. `v1/devices/me` alone says nothing about who published.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final

from ingest.decoders import flat
from ingest.decoders.rows import Sender
from ingest.decoders.strict import parse
from ingest.dialects.words import About, Answer, Heard, Order, Seen, Word, ident
from vorab.clock import Micros
from vorab.errors import Reason, Rejected
from vorab.records import Action, ReplyStatus

_GATEWAY: Final = ("v1", "gateway")
_ME: Final = ("v1", "devices", "me")
_FIRMWARE: Final = ("fw_version", "current_fw_version", "firmware", "fw", "sw_version")
_MODEL: Final = ("model", "fw_title", "current_fw_title", "deviceType")
_MAX_NAME: Final = 100
_MOST_DEVICES: Final = 512
"""Of one message of a gateway."""


class ThingsBoard:
    """The dialect."""

    name: ClassVar[str] = "thingsboard"
    filters: ClassVar[tuple[str, ...]] = ("v1/gateway/#", "{device}/v1/gateway/#", "{device}/v1/devices/me/#")

    def hear(self, heard: Heard) -> Iterable[Word]:
        """What a message says; raises Rejected."""
        if heard.retained:
            return []
        owner = heard.named.get("device", "")
        levels = heard.levels[heard.levels.index("v1") :] if "v1" in heard.levels else ()
        if levels[:2] == _GATEWAY:
            return _gateway(owner, "/".join(levels[2:]), heard)
        if levels[:3] == _ME and owner:
            return _device(ident(owner), levels[3:], heard)
        raise Rejected(Reason.UNKNOWN_TOPIC, "the topic names no device")

    def due(self, now: Micros) -> Iterable[Word]:  # noqa: ARG002 - nothing is said by itself
        """Nothing."""
        return []

    def command(self, action: Action, address: str, now: Micros) -> Order:  # noqa: ARG002 - RPC carries no time
        """An RPC: the action's name is the method. `address` is the topic up to `me` or `gateway`, and for a gateway ` ` and the name."""
        number = zlib.crc32(action.id.encode()) & 0x7FFFFFFF
        topic, _, name = address.partition(" ")
        call: dict[str, Any] = {"method": action.name, "params": action.params}
        if topic.endswith("/gateway"):
            body = {"device": name, "data": {"id": number, **call}}
            return Order(f"{topic}/rpc", json.dumps(body).encode(), str(number))
        return Order(f"{topic}/rpc/request/{number}", json.dumps(call).encode(), str(number))


def _device(device: str, rest: tuple[str, ...], heard: Heard) -> list[Word]:
    address = heard.topic[: heard.topic.index("v1/devices/me") + len("v1/devices/me")]
    if rest == ("telemetry",):
        rows = flat.rows(parse(heard.payload), Sender(heard.named["device"], "", heard.received_at), device)
        return [About(device, address=address), *rows]
    if rest == ("attributes",):
        return [_about(device, _object(parse(heard.payload)), address)]
    if rest[:2] == ("rpc", "response") and len(rest) == 3:
        return [_answer(device, rest[2], parse(heard.payload))]
    return []  # requests, and answers of a ThingsBoard server that shares the broker


def _gateway(owner: str, what: str, heard: Heard) -> list[Word]:
    parts = (owner,) if owner else ()
    address = heard.topic[: heard.topic.index("v1/gateway") + len("v1/gateway")]
    if what not in {"telemetry", "attributes", "connect", "disconnect", "rpc"}:
        return []
    body = _object(parse(heard.payload))
    if what in {"telemetry", "attributes"} and len(body) > _MOST_DEVICES:
        raise Rejected(Reason.TOO_LARGE, f"{len(body)} devices, at most {_MOST_DEVICES}")
    words: list[Word] = []
    if what == "telemetry":
        for name, found in body.items():
            device = _child(parts, name)
            words.append(About(device, name=name, address=f"{address} {name}"))
            words += flat.rows(found, Sender(name, "", heard.received_at), device)
    elif what == "attributes":
        words += [_about(_child(parts, name), _object(found), f"{address} {name}", name) for name, found in body.items() if name != "id"]
    elif what == "rpc":
        if "id" in body:  # without, it is a request on its way to the gateway
            words.append(_answer(_child(parts, body.get("device")), str(body["id"]), body.get("data")))
    else:
        device, online = _child(parts, body.get("device")), what == "connect"
        called, model = str(body["device"]), body.get("type")
        words.append(About(device, name=called, model=model if isinstance(model, str) else "", address=f"{address} {called}"))
        words.append(Seen(device, online, "birth" if online else "goodbye"))
    return words


def _child(parts: tuple[str, ...], name: object) -> str:
    if not isinstance(name, str) or not 0 < len(name) <= _MAX_NAME:
        raise Rejected(Reason.BAD_NAME, f"device {str(name)[:60]!r}")
    return ident(*parts, name)


def _about(device: str, attributes: Mapping[str, Any], address: str, name: str = "") -> About:
    def first(keys: tuple[str, ...]) -> str:
        return next((str(attributes[key])[:255] for key in keys if isinstance(attributes.get(key), str | int | float)), "")

    return About(device, name=name, model=first(_MODEL), firmware=first(_FIRMWARE), address=address)


def _answer(device: str, correlation: str, said: object) -> Answer:
    result = {key: value for key, value in said.items() if isinstance(value, str | int | float | bool)} if isinstance(said, dict) else {}
    error = said.get("error") if isinstance(said, dict) else None
    failed = bool(error) or result.get("success") is False
    status = ReplyStatus.FAILED if failed else ReplyStatus.SUCCEEDED
    return Answer(device, correlation, status, "failed" if failed else "", str(error)[:255] if error else "", result)


def _object(parsed: object) -> dict[str, Any]:
    if not isinstance(parsed, dict):
        raise Rejected(Reason.BAD_SHAPE, f"{type(parsed).__name__} where an object should be")
    return parsed
