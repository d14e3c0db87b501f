"""What devices answer to commands, as reply records. Pure.

An answer is `{"id": "<action>", "status": "running", "progress": 40, "detail": "closing valves"}`; a final one may add `result`, and a
failed one `error` with `code` and `message`.
"""

from __future__ import annotations

from typing import Any, Final

from pydantic import ValidationError

from ingest.decoders.flat import MS, check_identity
from ingest.decoders.rows import END_OF_RECORDINGS, Sender, micros, number
from ingest.decoders.strict import parse
from ingest.topicmap import Route
from vorab import ids
from vorab.clock import Micros
from vorab.errors import Reason, Rejected
from vorab.records import MAX_TEXT, Reply, ReplyStatus

MAX_BYTES: Final = 16_384
SAYABLE: Final = ("accepted", "running", "succeeded", "failed", "rejected", "expired")
"""What a device may say; that it took too long, or that nobody wants it any more, is for vorab to say in its place."""


def reply(route: Route, payload: bytes, received_at: Micros) -> Reply:
    """The record of one answer; `at` is when it was received, for recorded devices when they say they spoke.

    Raises:
        Rejected: not an answer.
    """
    if len(payload) > MAX_BYTES:
        raise Rejected(Reason.TOO_LARGE, f"{len(payload)} bytes, at most {MAX_BYTES}")
    body = parse(payload)
    if not isinstance(body, dict):
        raise Rejected(Reason.BAD_SHAPE, "an answer is an object")
    check_identity(body, Sender(route.device, route.key, received_at))
    action = body.get("id")
    if not isinstance(action, str) or not action:
        raise Rejected(Reason.BAD_VALUE, "id: the answer names no command")
    said = body.get("status")
    if said not in SAYABLE:
        raise Rejected(Reason.BAD_VALUE, "status: not one of " + ", ".join(SAYABLE))
    status = ReplyStatus(said)
    error = body.get("error") or {}
    if not isinstance(error, dict):
        raise Rejected(Reason.BAD_SHAPE, "error is not an object")
    try:
        return Reply.model_validate(
            {
                "id": ids.reply_id(action, status),
                "tenant": route.tenant,
                "device": route.device,
                "action": action,
                "status": status,
                "at": _spoken_at(body, received_at) if route.recorded else received_at,
                "progress": body.get("progress"),
                "code": error.get("code", ""),
                "detail": _text(body.get("detail") or error.get("message") or ""),
                "result": body.get("result") or {},
            }
        )
    except ValidationError as problem:
        first: Any = problem.errors(include_url=False, include_context=False, include_input=False)[0]
        raise Rejected(Reason.BAD_VALUE, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _text(said: object) -> object:
    return said[:MAX_TEXT] if isinstance(said, str) else said


def _spoken_at(body: dict[str, Any], received_at: Micros) -> Micros:
    if body.get("ts") is None:
        return received_at
    try:
        at = micros(number("ts", body["ts"]), MS)
    except Rejected as error:
        raise Rejected(Reason.BAD_TIME, error.detail) from None
    if not 0 <= at < END_OF_RECORDINGS:
        raise Rejected(Reason.BAD_TIME, "recorded time outside 1970 to 2100")
    return at
