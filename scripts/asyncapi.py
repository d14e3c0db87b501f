"""Makes firmware/asyncapi.yaml: every channel and message as AsyncAPI 3.0, from the records, the table of topics and the contract on MQTT.

`make docs` runs it by way of docs.py; a test compares the file with what this would write, and every message of the fleet with its schemas.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any, Final

import yaml

from ingest.decoders.rows import I64_MAX, I64_MIN, MAX_SIGNALS, MAX_TEXT, SIGNAL, U32_MAX, U64_MAX, Limits
from ingest.replies import SAYABLE
from ingest.topicmap import PREFIX
from vorab import __version__, topics
from vorab.errors import Reason
from vorab.records import KINDS, Action, Record, Reply

Json = dict[str, Any]

ABOUT: Final = """\
vorab turns telemetry into help that arrives before anyone asks for it. Devices speak the channels on MQTT; everything else stands in the
log (Kafka, or SQLite with the same records). Operations are vorab's: it receives telemetry and sends commands.

Fields that are new to you may come at any time: ignore them. docs/formats.md and firmware/README.md say the rest in words."""

# Records that travel on more topics than their own.
ALSO: Final = {topics.CASES: (topics.CASES_BY_GROUP, topics.CASES_BY_CUSTOMER), topics.INCIDENTS: (topics.CASES_BY_CUSTOMER,)}


def document() -> Json:
    """The whole document."""
    mqtt, kafka = _mqtt(), _kafka()
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "vorab",
            "version": __version__,
            "description": ABOUT,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "mqtt": {
                "host": "{broker}:8883",
                "protocol": "secure-mqtt",
                "protocolVersion": "5.0",
                "description": "Or MQTT 3.1.1. deploy/mosquitto shows a broker with every limit set.",
                "variables": {"broker": {"default": "127.0.0.1", "description": "Where your MQTT broker is."}},
                "security": [{"$ref": "#/components/securitySchemes/certificate"}],
            },
            "kafka": {
                "host": "{kafka}:9092",
                "protocol": "kafka",
                "protocolVersion": "4.0",
                "variables": {"kafka": {"default": "127.0.0.1", "description": "Where your Kafka is."}},
            },
        },
        "channels": mqtt["channels"] | kafka["channels"],
        "operations": mqtt["operations"] | kafka["operations"],
        "components": {
            "securitySchemes": {"certificate": {"type": "X509", "description": "One per device; its common name is the device's id."}},
            "parameters": {
                "tenant": {"description": "Whose device it is; `main` unless there is more than one.", "default": topics.DEFAULT_TENANT},
                "device": {"description": f"The device's id; matches ^{topics.ID.pattern}$."},
                "name": {"description": "What to do: restart."},
            },
            "messages": mqtt["messages"] | kafka["messages"],
            "schemas": mqtt["schemas"] | kafka["schemas"],
        },
    }


def page() -> str:
    """The document as YAML."""

    class Plain(yaml.SafeDumper):
        def ignore_aliases(self, _data: object) -> bool:
            return True

    text = yaml.dump(document(), Dumper=Plain, sort_keys=False, allow_unicode=True, width=140)
    return "# made by `make docs` from scripts/asyncapi.py, the records and the table of topics; edit there\n" + str(text)


def _ref(kind: str, name: str) -> Json:
    return {"$ref": f"#/components/{kind}/{name}"}


# --------------------------------------------------------------------------------------------------- MQTT


def _whole(largest: int, about: str) -> Json:
    return {"type": "integer", "minimum": 0, "maximum": largest, "description": about}


def _mqtt_schemas() -> Json:
    value = {
        "description": "A number, a truth, or a short text. null is no value and is left out.",
        "anyOf": [
            {"type": "integer", "minimum": I64_MIN, "maximum": I64_MAX},
            {"type": "number"},
            {"type": "boolean"},
            {"type": "string", "maxLength": MAX_TEXT},
            {"type": "null"},
        ],
    }
    signals = {
        "type": "object",
        "patternProperties": {f"^{SIGNAL.pattern}$": _ref("schemas", "value")},
        "additionalProperties": {"type": "null"},  # whatever it is called: null is left out before names are looked at
    }
    reserved = {
        "ts": {"type": ["number", "null"], "description": "When it was measured: ms since 1970 UTC, with a fraction if you like."},
        "boot": {"anyOf": [_whole(U32_MAX, "Rises by one at each start."), {"type": "null"}]},
        "seq": {"anyOf": [_whole(U64_MAX, "Rises by one with each message of a boot, from 1."), {"type": "null"}]},
        "acked": {"anyOf": [_whole(U64_MAX, "The last seq of this boot that is known to be in the log; 0 at first."), {"type": "null"}]},
        "device": {"type": ["string", "null"], "description": "May repeat what the topic says; anything else is refused."},
        "device_id": {"type": ["string", "null"]},
    }
    action, reply = Action.model_json_schema(mode="serialization"), Reply.model_json_schema(mode="serialization")
    command = {name: action["properties"][name] for name in ("id", "name", "params", "not_before", "not_after", "attempt", "counter")}
    return {
        "value": value,
        "flatReading": {
            "description": "Signals beside what says when and in which order.",
            **signals,
            "properties": reserved,
            "maxProperties": MAX_SIGNALS + len(reserved),
        },
        "packedReading": {
            "description": "Signals below `values`.",
            "type": "object",
            "required": ["values"],
            "properties": reserved | {"values": {**signals, "maxProperties": MAX_SIGNALS}},
            "additionalProperties": False,
        },
        "reading": {"anyOf": [_ref("schemas", "packedReading"), _ref("schemas", "flatReading")]},
        "telemetry": {
            "description": f"One reading or several; at most {Limits().rows} rows and {Limits().payload_bytes} bytes.",
            "anyOf": [
                _ref("schemas", "reading"),
                {"type": "array", "items": _ref("schemas", "reading"), "minItems": 1, "maxItems": Limits().rows},
            ],
        },
        "senml": _senml(),
        "status": {
            "type": "object",
            "required": ["status"],
            "properties": {
                "status": {"type": "string", "enum": ["online", "offline"]},
                "reason": {"type": "string", "description": "goodbye, shutdown or sleep: nobody is alarmed."},
            },
        },
        "statusWord": {"type": "string", "enum": ["online", "offline"]},
        "command": {
            "description": action["description"],
            "type": "object",
            "required": ["id", "name", "params", "not_before", "not_after"],
            "properties": command | {name: action["properties"][name] for name in ("key_id", "signature")},
        },
        "answer": {
            "description": reply["description"],
            "type": "object",
            "required": ["id", "status"],
            "properties": {
                "id": {"type": "string", "minLength": 1, "description": "Of the command."},
                "status": {"type": "string", "enum": list(SAYABLE)},
                "progress": {"type": ["integer", "null"], "description": "Percent."},
                "detail": {"type": ["string", "null"], "description": "A sentence for people."},
                "result": {
                    "type": ["object", "null"],
                    "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
                },
                "error": {
                    "type": ["object", "null"],
                    "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
                },
            },
        },
        "ack": {
            "description": "Everything up to `seq` of this boot is in the log.",
            "type": "object",
            "required": ["boot", "seq"],
            "properties": {"boot": _whole(U32_MAX, "As you sent it."), "seq": _whole(U64_MAX, "Cumulative.")},
        },
        "refusal": {
            "type": "object",
            "required": ["reason", "detail"],
            "properties": {"reason": {"type": "string", "enum": [str(reason) for reason in Reason]}, "detail": {"type": "string"}},
        },
    }


def _senml() -> Json:
    number = {"type": "number"}
    return {
        "description": "A SenML pack (RFC 8428): base fields hold for the records after them.",
        "type": "array",
        "minItems": 1,
        "items": {
            "type": "object",
            "properties": {
                **{name: {"type": "string"} for name in ("bn", "bu", "n", "u", "vs")},
                **dict.fromkeys(("bt", "bv", "bs", "bver", "v", "s", "t", "ut"), number),
                "vb": {"type": "boolean"},
                "vd": {"type": "string", "description": "base64url"},
            },
            "not": {"anyOf": [{"required": list(pair)} for pair in combinations(("v", "vs", "vb", "vd"), 2)]},
            "patternProperties": {"_$": False},
        },
    }


def _mqtt() -> dict[str, Json]:
    # channel: (address below the device, or all of it after a slash; messages, operation, action, QoS, retained, what it is for)
    table: tuple[tuple[str, str, tuple[str, ...], str, str, int, bool, str], ...] = (
        ("telemetry", "telemetry", ("telemetry", "senml"), "hearTelemetry", "receive", 1, False, "What a device measures."),
        ("status", "status", ("status", "statusWord"), "hearStatus", "receive", 1, True, "Whether it is there; the last will stands here."),
        ("command", "cmd/{name}", ("command",), "askDevice", "send", 1, False, "What it is asked to do; at least once, never retained."),
        ("answer", "cmd/{name}/res", ("answer",), "hearAnswer", "receive", 1, False, "What it says to that."),
        ("ack", "ack", ("ack",), "acknowledge", "send", 0, False, "What of its readings is safe, for who sends `acked`."),
        ("errors", "errors", ("refusal",), "explain", "send", 0, False, "Why a message was refused; at most one a second."),
        (
            "short",
            "/telemetry/{device}",
            ("telemetry", "senml"),
            "hearShort",
            "receive",
            1,
            False,
            "The same for first steps: tenant `main`.",
        ),
        ("recorded", "/recorded/{device}/telemetry", ("telemetry",), "hearRecorded", "receive", 1, False, "Recordings, in their own time."),
    )
    channels: Json = {}
    operations: Json = {}
    for name, below, messages, operation, action, qos, retain, about in table:
        address = below[1:] if below.startswith("/") else f"{PREFIX}/{{tenant}}/{{device}}/{below}"
        named = [each for each in ("tenant", "device", "name") if f"{{{each}}}" in address]
        channels[name] = {
            "address": address,
            "description": about,
            "servers": [{"$ref": "#/servers/mqtt"}],
            "parameters": {each: _ref("parameters", each) for each in named},
            "messages": {each: _ref("messages", each) for each in messages},
        }
        operations[operation] = {
            "action": action,
            "channel": {"$ref": f"#/channels/{name}"},
            "summary": about,
            "messages": [{"$ref": f"#/channels/{name}/messages/{each}"} for each in messages],
            "bindings": {"mqtt": {"qos": qos, "retain": retain, "bindingVersion": "0.2.0"}},
        }
    operations["askDevice"]["reply"] = {
        "channel": {"$ref": "#/channels/answer"},
        "messages": [{"$ref": "#/channels/answer/messages/answer"}],
    }
    schemas = _mqtt_schemas()
    kinds = {"senml": "application/senml+json", "statusWord": "text/plain"}
    titles = {
        "telemetry": "Telemetry", "senml": "Telemetry as SenML", "status": "Status", "statusWord": "Status as a plain word",
        "command": "Command", "answer": "Answer", "ack": "Acknowledgement", "refusal": "Refusal",
    }  # fmt: skip
    messages = {
        name: {"title": title, "contentType": kinds.get(name, "application/json"), "payload": _ref("schemas", name)}
        for name, title in titles.items()
    }
    messages["command"]["correlationId"] = {"location": "$message.payload#/id", "description": "An answer carries the same id."}
    messages["answer"]["correlationId"] = {"location": "$message.payload#/id", "description": "The id of the command."}
    messages["command"]["bindings"] = {
        "mqtt": {
            "contentType": "application/json",
            "correlationData": {"type": "string", "description": "MQTT 5: the id."},
            "responseTopic": {"type": "string", "description": "MQTT 5: where to answer."},
            "bindingVersion": "0.2.0",
        }
    }
    return {"channels": channels, "operations": operations, "messages": messages, "schemas": schemas}


# -------------------------------------------------------------------------------------------------- Kafka


def _headers(kind: type[Record]) -> Json:
    """CloudEvents 1.0 in binary mode, as vorab writes it."""
    fixed = {"const": kind.TYPE} if "{" not in kind.TYPE else {"type": "string", "pattern": _pattern(kind.TYPE)}
    return {
        "type": "object",
        "required": ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time"],
        "properties": {
            "ce_specversion": {"const": "1.0"},
            "ce_id": {"type": "string"},
            "ce_source": {"type": "string", "format": "uri-reference"},
            "ce_type": fixed,
            "ce_time": {"type": "string", "format": "date-time"},
            "ce_subject": {"type": "string"},
            "ce_edition": {"type": "string", "description": "Which wording of policy decided: a hash of all of it."},
            "content-type": {"const": "application/json"},
        },
    }


def _pattern(ce_type: str) -> str:
    head, _, rest = ce_type.partition("{")
    tail = rest.partition("}")[2]
    return f"^{head}[a-z_]+{tail}$".replace(".", r"\.")


def _kafka() -> dict[str, Json]:
    channels: Json = {}
    operations: Json = {}
    messages: Json = {}
    schemas: Json = {}
    by_topic: dict[str, list[str]] = {}
    for kind in KINDS:
        name = kind.__name__
        schema = kind.model_json_schema(mode="serialization", ref_template="#/components/schemas/{model}")
        schemas |= schema.pop("$defs", {})
        schemas[name] = schema
        messages[_lower(name)] = {
            "name": kind.TYPE,
            "title": name,
            "summary": schema.get("description", ""),
            "contentType": "application/json",
            "headers": _headers(kind),
            "payload": _ref("schemas", name),
            "bindings": {"kafka": {"key": _key(kind), "bindingVersion": "0.5.0"}},
        }
        for topic in (kind.TOPIC, *ALSO.get(kind.TOPIC, ())):
            by_topic.setdefault(topic, []).append(_lower(name))
    messages["frame"] = {
        "title": "Frame",
        "summary": "Many readings of many devices of one partition, in columns; docs/frame.md shows how to read it.",
        "contentType": "application/vnd.vorab.frame+msgpack",
        "bindings": {"kafka": {"bindingVersion": "0.5.0"}},
    }
    by_topic[topics.READINGS] = ["frame"]
    by_topic[topics.REPLIES].append("tick")
    for topic in topics.TOPICS.values():
        if topic.name not in by_topic:
            continue  # kept free for what is to come: nobody writes it yet
        name = "log" + "".join(part.capitalize() for part in topic.name.removeprefix("vorab.").split("-"))
        kept = {"cleanup.policy": ["compact"]} if topic.compacted else {"cleanup.policy": ["delete"], "retention.ms": _ms(topic)}
        channels[name] = {
            "address": topic.name,
            "description": f"{topic.about}; keyed by {topic.keyed}.",
            "servers": [{"$ref": "#/servers/kafka"}],
            "messages": {each: _ref("messages", each) for each in by_topic[topic.name]},
            "bindings": {"kafka": {"topic": topic.name, "topicConfiguration": kept, "bindingVersion": "0.5.0"}},
        }
        operations[f"write{name[3:]}"] = {
            "action": "send",
            "channel": {"$ref": f"#/channels/{name}"},
            "summary": topic.about,
            "messages": [{"$ref": f"#/channels/{name}/messages/{each}"} for each in by_topic[topic.name]],
        }
    return {"channels": channels, "operations": operations, "messages": messages, "schemas": schemas}


def _ms(topic: topics.Topic) -> int:
    return (topic.kept_days or 0) * 86_400_000


def _key(kind: type[Record]) -> Json:
    keyed = topics.TOPICS[kind.TOPIC].keyed if kind.TOPIC else ""
    return {"type": "string", "description": f"tenant/{keyed}" if keyed else "none: it belongs to a partition"}


def _lower(name: str) -> str:
    # `Command` on the log is what a person asks for; the channel to devices has a message of that name already.
    return "log" + name if name in {"Command", "Reply"} else name[0].lower() + name[1:]
