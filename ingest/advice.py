"""What the author of a payload, or the operator who describes it, can do about each reason it is refused for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from vorab.errors import Reason

ADVICE: Final[Mapping[Reason, str]] = {
    Reason.TOO_LARGE: "send less in one message, or raise ingest.max_payload_bytes",
    Reason.TOO_DEEP: "nest less: sixteen levels are the most",
    Reason.BAD_UTF8: "send text as UTF-8; binary payloads need a `packed` table in their topic map entry",
    Reason.BAD_JSON: 'send JSON, or say in the topic map how the payload is read: decoder = "text", or a `packed` table for binary',
    Reason.BAD_CBOR: "send one whole CBOR item without tags, or say in the topic map how the payload is read",
    Reason.BAD_SHAPE: "send flat values, or give the topic map entry a `map` with the path of each signal",
    Reason.BAD_VALUE: "look at the signal that is named: its type, its range (min, max), the words of a bool",
    Reason.NOT_FINITE: "leave the value out when nothing was measured; a text that means nothing goes into `none` of the topic map",
    Reason.BAD_TIME: 'say in the topic map how the time is written: unit = "s", "ms", "us" or "iso"',
    Reason.BAD_NAME: "rename it: letters, digits and _ . : / - for signals, letters, digits and . _ : ~ - for devices and tenants",
    Reason.TOO_MANY_SIGNALS: "send at most 256 signals in a row; split them over several messages",
    Reason.EMPTY: "there was no value: do the paths of the topic map lead where the payload has them?",
    Reason.UNKNOWN_TOPIC: "add an entry for this topic: [[ingest.topic_map]] with a filter such as plant/{device}/up",
    Reason.IDENTITY_MISMATCH: "a device speaks for itself only: publish on its own topic, or leave its name out of the payload",
    Reason.UNSUPPORTED: "name a decoder in the topic map entry, or send another content type",
    Reason.BAD_FRAME: "only vorab writes frames; this never comes from a device",
    Reason.BAD_RECORD: "only vorab writes records; this never comes from a device",
    Reason.NEWER_VERSION: "it was written by a later version: update vorab",
    Reason.OUT_OF_SESSION: "let the node send its birth first; vorab asks for one when it listens",
    Reason.RATE_LIMITED: "send less often, or raise ingest.device_rate and ingest.device_burst",
    Reason.QUARANTINED: "it sent too much for too long: wait for ingest.quarantine_s, and find out why it sends so often",
    Reason.RETAINED: "publish it without the retain flag: what the broker keeps is no news",
}
