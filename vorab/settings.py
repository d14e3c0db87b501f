"""Settings: one table of names, defaults and help texts, read from `vorab.toml`, the environment and the command line, in this order.

An environment variable is `VORAB_` and the key in capitals, sections joined by `_`: `[mqtt] port` is `VORAB_MQTT_PORT`.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Literal, Self, get_args, get_origin
from zoneinfo import ZoneInfo

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from vorab import topics
from vorab.channel_settings import Apprise, Letter, Webhook, WebPush
from vorab.errors import ConfigError
from vorab.inbound_settings import Inbound
from vorab.layouts import Packed
from vorab.mistakes import field_at, line_of
from vorab.partners import Partner
from vorab.payloads import JsonMap, PlainText, Table
from vorab.records.registry import Channel, QuietDay

FILE: Final = "vorab.toml"
DIALECTS: Final[tuple[str, ...]] = ("sparkplug", "homie", "tasmota", "zigbee2mqtt", "shelly")
"""The dialects that are heard unless told otherwise, in order of preference: Shelly's topics begin with the device and fit most others."""
MIN_SECRET: Final = 16
"""Characters."""
DECODERS: Final = ("auto", "json", "senml+json", "cbor", "senml+cbor", "cloudevents+json", "mapped", "packed", "text")
"""What `decoder` of a topic map entry may say, beside `module:function`."""


class Mode(StrEnum):
    """Whether anything leaves the house."""

    LIVE = "live"
    SHADOW = "shadow"


class Section(BaseModel):
    """A table of the settings file; wrong keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        msg = f"there is no time zone {name!r}, write for example Europe/Berlin"
        raise ValueError(msg) from None
    return name


class Mqtt(Section):
    """The MQTT broker devices publish to."""

    host: str = Field("127.0.0.1", description="Host of the MQTT broker.")
    port: int = Field(1883, ge=1, le=65535, description="Port of the MQTT broker.")
    protocol: Literal["5", "3.1.1"] = Field("5", description="MQTT version to speak.")
    client_id: str = Field("vorab-ingest", description="Client id; a worker adds its share, so that its session is its own.")
    username: str = Field("", description="User name, if the broker asks for one.")
    password: SecretStr = Field(SecretStr(""), description="Password, if the broker asks for one.")
    keepalive_s: int = Field(30, ge=5, description="Seconds between pings when nothing else is sent.")
    ca_file: str = Field("", description="Certificate authority; set, the connection is TLS.")
    cert_file: str = Field("", description="Client certificate.")
    key_file: str = Field("", description="Key of the client certificate.")
    session_expiry_s: int = Field(3600, ge=0, description="How long the broker keeps the session of an absent worker.")
    receive_maximum: int = Field(
        2000, ge=1, le=65535, description="Most QoS 1 messages in flight, and the bound of what waits for the log."
    )
    qos: Literal[0, 1] = Field(1, description="Quality of service of the subscriptions.")

    @field_validator("cert_file", "key_file")
    @classmethod
    def _no_certificate_in_plain_text(cls, file: str, info: ValidationInfo) -> str:
        if file and not info.data.get("ca_file"):
            msg = "it needs mqtt.ca_file beside it; without, the connection would be plain text"
            raise ValueError(msg)
        return file


class TopicMapEntry(Section):
    """How messages of one topic filter are read."""

    filter: str = Field(description="MQTT topic with {captures}: vorab/v1/{tenant}/{device}/telemetry.")
    kind: Literal["telemetry", "status", "reply", "ignore"] = Field("telemetry", description="What such a message is.")
    decoder: str = Field(
        "auto",
        description=f"How the payload is read: {', '.join(DECODERS)}, or module:function. auto looks at content type and payload.",
    )
    time: Literal["measured", "recorded"] = Field(
        "measured", description="recorded: the device's time is taken as it is, in partitions of its own."
    )
    tenant: str = Field("", description="Tenant, where the topic does not name one.")
    dialect: str = Field(
        "", description="Dialect that reads these topics, with the captures of its own filters: tele/{device}/{what} for tasmota."
    )
    zone: str = Field("", description="Zone of times that have none: Europe/Berlin. Empty: UTC is assumed, and the rows are marked.")
    retained: bool = Field(
        default=False, description="The firmware publishes this telemetry with the retain flag, as ESPHome does: what comes live is read."
    )
    map: JsonMap | None = Field(None, description="JSON by paths, for decoder mapped.")
    packed: list[Packed] = Field(default_factory=list, description="Binary by places, for decoder packed.")
    text: PlainText | None = Field(None, description="One value as text, for decoder text.")

    @field_validator("packed", mode="before")
    @classmethod
    def _one_or_several(cls, found: object) -> object:
        return [found] if isinstance(found, dict) else found

    @field_validator("decoder")
    @classmethod
    def _known_decoder(cls, name: str) -> str:
        if name not in DECODERS and not re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", name):
            raise ValueError(f"there is no decoder {name!r}: write one of {', '.join(DECODERS)}, or module:function for one of your own")
        return name

    @model_validator(mode="after")
    def _one_decoder(self) -> Self:
        given = [name for name, table in (("mapped", self.map), ("packed", self.packed), ("text", self.text)) if table]
        if len(given) > 1:
            raise ValueError(f"one entry is read one way, and this one says {' and '.join(given)}")
        if given and self.decoder not in {"auto", *given}:
            raise ValueError(f"the tables of the entry are for decoder {given[0]!r}, and decoder says {self.decoder!r}")
        if not given and self.decoder in {"mapped", "packed"}:
            raise ValueError(
                f"decoder {self.decoder!r} needs the table `{'map' if self.decoder == 'mapped' else 'packed'}` in the same entry"
            )
        if len({bool(layout.path) for layout in self.packed}) > 1:
            raise ValueError("either all layouts of an entry lie inside JSON (path), or none")
        if given and (self.dialect or self.kind != "telemetry"):
            raise ValueError(f"{given[0]} is for telemetry, and this entry is for {self.dialect or self.kind}")
        return self


class Ingest(Section):
    """MQTT in, MQTT out."""

    linger_ms: float = Field(
        5.0, ge=0, description="Longest rest between two reads under load, so that messages share a frame; none when idle."
    )
    frame_rows: int = Field(2500, ge=1, description="Most rows in one frame.")
    tick_s: float = Field(1.0, gt=0, description="Seconds on the wall between ticks while nothing arrives.")
    max_payload_bytes: int = Field(65536, ge=1, description="Larger payloads are refused.")
    http_host: str = Field("127.0.0.1", description="Address HTTP ingest listens on; any other than loopback wants http_tokens.")
    http_port: int = Field(-1, ge=-1, le=65535, description="Port of HTTP ingest and webhooks; -1: off, 0 takes a free one.")
    http_tokens: str = Field("", description="File of bearer tokens: tenant/device or tenant/*, and the SHA-256 of the token.")
    http_cert_file: str = Field("", description="Certificate; set, HTTP ingest is HTTPS.")
    http_key_file: str = Field("", description="Key of the certificate.")
    http_timeout_s: float = Field(10.0, gt=0, description="Longest wait of a request for the log; then 503, and the sender sends again.")
    alert_device_labels: list[str] = Field(
        default_factory=list, description="Labels of an alert that name the device, the first that is there; none: device, instance."
    )
    alert_name_labels: list[str] = Field(
        default_factory=list, description="Labels of an alert that name the alarm together; none: alertname."
    )
    ack_stall_s: float = Field(
        60.0, gt=0, description="A message that waits so long while the log takes others: connect anew, so that the broker sends it again."
    )
    device_rate: float = Field(
        50.0, ge=0, description="Most messages a second of one device for ever; what is above is dropped and counted. 0: no limit."
    )
    device_burst: int = Field(5000, ge=1, description="Most messages of one device at once: one that was offline hands in what it kept.")
    quarantine_s: float = Field(
        60.0, ge=0, description="How long nothing is taken of a device that has been above its limit for 10 s; 0: never."
    )
    spool_dir: str = Field(
        "", description="Folder, one per worker, for records while Kafka is away; they are acknowledged once they stand there. Empty: none."
    )
    spool_mb: int = Field(1024, ge=1, description="Most megabytes in the spool; when it is full, nothing more is read, as without one.")
    share: str = Field("0/1", pattern=r"^\d+/\d+$", description="This worker's part of the partitions: 0/2 and 1/2 for two workers.")
    topic_map: list[TopicMapEntry] = Field(default_factory=list, description="Added before the built-in topic map.")
    dialects: list[str] = Field(
        default_factory=lambda: list(DIALECTS), description="Dialects whose usual topics are listened to beside the topic map."
    )


class Topics(Section):
    """The topics of the log."""

    partitions: int = Field(topics.DEFAULT_PARTITIONS, ge=1, description="Partitions of each topic for live devices and customers.")
    recorded_partitions: int = Field(0, ge=0, description="Partitions for devices in recorded time, added at the end.")
    readings: str = Field(topics.READINGS, description="Name of the readings topic.")
    symptoms: str = Field(topics.SYMPTOMS, description="Name of the symptoms topic.")
    replication: int = Field(1, ge=1, description="Copies of each Kafka partition; 3 in production.")


class Silence(Section):
    """A maintenance window: cases of a group are muted for a time, and its end is announced."""

    group: str = Field(min_length=1, description="site/NAME, parent/DEVICE, firmware/MODEL/VERSION, model/NAME, device/NAME or fleet.")
    tenant: str = Field(topics.DEFAULT_TENANT, description="Whose devices.")
    since: AwareDatetime = Field(description="When it begins, with a zone: 2026-12-01T22:00:00+01:00.")
    until: AwareDatetime = Field(description="When it ends.")
    why: str = Field("", max_length=200, description="What is done there, for whoever sees it.")

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.until <= self.since:
            raise ValueError("a silence ends after it begins")
        return self


class Incidents(Section):
    """When many cases are one incident."""

    on: bool = Field(default=True, description="Whether cases are looked at together; false: each stands for itself, and speaks at once.")
    devices: int = Field(5, ge=2, description="Fewest devices with a case that make an incident.")
    share: float = Field(0.2, ge=0, le=1, description="And so many of the devices of a site, or behind a parent.")
    share_wide: float = Field(0.01, ge=0, le=1, description="Or of a firmware, a model or the fleet, with one cause.")
    window_s: float = Field(300.0, gt=0, description="Cases that open within so many seconds may be one incident.")
    settle_s: float = Field(5.0, ge=0, description="Once there are enough, so long the rest is waited for, to see all of it.")
    hold_s: float = Field(
        15.0,
        ge=0,
        description="So long customers are not told of a new case: it may be part of an incident; settle_s at least.",
    )
    patience_s: float = Field(
        120.0,
        ge=0,
        description="So long customers are not told of an incident: one that is over by then is told once, as over.",
    )
    at_once_priority: int = Field(1, ge=0, le=5, description="Cases of this priority or a more urgent one do not wait; 0: all wait.")
    down: list[str] = Field(
        default_factory=lambda: ["silent"], description="Causes that say a device is down: it explains what is behind it."
    )
    close_s: float = Field(1800.0, gt=0, description="An incident whose cases are all well is closed so much later.")
    straggle_s: float = Field(
        600.0,
        gt=0,
        description="Where most cases are well, and for so long no other has become so, the rest stand for themselves.",
    )
    silences: list[Silence] = Field(default_factory=list, description="Maintenance windows, each a [[streams.incidents.silences]].")


WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN: Final = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)-(?:([01]?\d|2[0-3]):([0-5]\d)|24:00)")


def span_of(text: str) -> tuple[int, int]:
    """`08:00-12:30` as the first minute of the day and the first minute after it; raises ValueError for anything else."""
    found = _SPAN.fullmatch(text.strip())
    first = int(found[1]) * 60 + int(found[2]) if found else 0
    last = int(found[3]) * 60 + int(found[4]) if found and found[3] else 24 * 60
    if found is None or last <= first:
        raise ValueError(f"{text!r} is no span of hours of one day; 08:00-12:30 and 18:00-24:00 are")
    return first, last


class Callbacks(Section):
    """When people call and visit: the slots a customer can book."""

    team: int = Field(0, ge=0, le=1000, description="People who can be on the phone at once; 0: no calls can be booked.")
    team_at: list[str] = Field(default_factory=list, description="Where it is another number, by the hour on the clock: 12=1.")
    slot_min: int = Field(30, ge=5, le=240, description="Minutes a call is given.")
    visit_team: int = Field(0, ge=0, le=1000, description="People who can be on a visit at once; 0: no visits can be booked.")
    visit_min: int = Field(120, ge=15, le=600, description="Minutes a visit is given, with the way.")
    days: list[str] = Field(default_factory=lambda: list(WEEKDAYS[:5]), description="Days on which they work.")
    hours: list[str] = Field(
        default_factory=lambda: ["08:00-18:00"], description="Hours in which they work; several where there is a break."
    )
    zone: str = Field("Europe/Berlin", description="Zone of these hours.")
    closed: list[date] = Field(default_factory=list, description="Days on which nobody works, public holidays for example: 2026-12-25.")
    notice_min: int = Field(15, ge=0, le=10_080, description="A slot begins so many minutes from now at the earliest.")
    ahead_days: int = Field(14, ge=1, le=90, description="And so many days from now at the latest.")
    offers: int = Field(3, ge=1, le=10, description="Free slots that are offered.")
    attempts: int = Field(3, ge=1, le=10, description="After so many calls that nobody answered the matter is closed in writing.")
    again_min: int = Field(120, ge=0, le=10_080, description="Minutes until the next try, at the earliest.")
    remind_h: float = Field(24.0, ge=0, le=336, description="So many hours before a visit its reminder is due; 0: never.")

    @property
    def on(self) -> bool:
        """Whether anything can be booked."""
        return bool(self.team or self.visit_team)

    @field_validator("hours")
    @classmethod
    def _spans(cls, spans: list[str]) -> list[str]:
        ends = 0
        for first, last in sorted(map(span_of, spans)):
            if first < ends:
                raise ValueError("these hours overlap")
            ends = last
        return spans

    @field_validator("days")
    @classmethod
    def _known_days(cls, days: list[str]) -> list[str]:
        if wrong := [day for day in days if day not in WEEKDAYS]:
            raise ValueError(f"{wrong[0]!r} is no day; {', '.join(WEEKDAYS)} are")
        return days

    @field_validator("team_at")
    @classmethod
    def _hour_and_size(cls, sizes: list[str]) -> list[str]:
        if wrong := [text for text in sizes if not re.fullmatch(r"([01]?\d|2[0-3])=\d{1,3}", text)]:
            raise ValueError(f"{wrong[0]!r} is no hour and number of people; 12=1 is")
        return sizes

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        return _zone(name)


class Streams(Section):
    """Detect, gaps, alarms, cases, incidents, permits, customers and ledger."""

    group: str = Field("vorab", description="Prefix of the consumer groups.")
    rules: list[str] = Field(default_factory=list, description="Rule files or folders; none: the rules that come with vorab.")
    remedies: list[str] = Field(default_factory=list, description="Remedy files or folders; none: the remedies that come with vorab.")
    care: str = Field("", description="Care file, or folder of care.yaml: where a person must act; empty: the one that comes with vorab.")
    checkpoint_s: float = Field(1.0, gt=0, description="Seconds between checkpoints of the state.")
    grace_s: float = Field(
        0.0, ge=0, le=3600, description="Seconds readings wait for earlier ones of their device, unless its registry entry says otherwise."
    )
    cool_down_s: float = Field(
        259_200.0, ge=0, description="Seconds after a customer's last fault in which nobody should offer them anything (contact state)."
    )
    incidents: Incidents = Field(default_factory=Incidents)
    callbacks: Callbacks = Field(default_factory=Callbacks)


Passing = Literal["safety", "consent", "person_needed", "incident", "healed", "resolved"]
"""What may be said whatever the budget: the urgency `safety`, or messages of a stage."""


def _safety() -> list[Passing]:
    return ["safety"]


class Budget(Section):
    """How many messages a person gets, however many devices they have and whatever the messages are about."""

    a_day: int = Field(1, ge=0, description="Most messages to a person in any 24 hours; 0: no limit.")
    a_week: int = Field(3, ge=0, description="Most in any 7 days; 0: no limit.")
    a_month: int = Field(6, ge=0, description="Most in any 30 days; 0: no limit.")
    advertising_a_month: int = Field(1, ge=0, description="Most of purpose advertising among them, in any 30 days; 0: no limit of its own.")
    passes: list[Passing] = Field(
        default_factory=_safety,
        description="What is said whatever the budget, and still counts: safety, or stages (consent, person_needed, incident, …).",
    )


class Preferences(Section):
    """How people are spoken to where neither they nor their contract say so."""

    language: str = Field("", description="Language of messages; empty: en.")
    time_zone: str = Field("", description="Zone of quiet hours and of times in messages; empty: Europe/Berlin.")
    region: str = Field("", description="Whose public holidays count, after ISO 3166: DE or DE-BY; empty: nobody's.")
    channels: tuple[Channel, ...] = Field((), description="Channels, the favourite first; empty: mail.")
    quiet_from: str = Field("", description="When the night begins: 22:00.")
    quiet_until: str = Field("", description="When it ends: 07:00; the same as quiet_from: no quiet hours.")
    quiet_days: tuple[QuietDay, ...] | None = Field(None, description="Whole days without messages: sunday, holiday; empty: holiday.")
    tell_healed: bool | None = Field(None, description="Whether people hear of faults that were fixed unnoticed; empty: they do not.")

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        return _zone(name) if name else name

    @field_validator("channels", "quiet_days", mode="before")
    @classmethod
    def _words(cls, found: object) -> object:
        return tuple(part for part in found.replace(",", " ").split() if part) if isinstance(found, str) else found


class Notifier(Section):
    """What goes to people."""

    database: str = Field("", description="SQLAlchemy address; empty: notifier.db in the state folder.")
    share: str = Field("0/1", pattern=r"^\d+/\d+$", description="This worker's part of the customer partitions.")
    smtp_host: str = Field("", description="Mail server; empty: no mail.")
    smtp_port: int = Field(25, ge=1, le=65535, description="Port of the mail server.")
    smtp_username: str = Field("", description="User name at the mail server.")
    smtp_password: SecretStr = Field(SecretStr(""), description="Password at the mail server.")
    smtp_timeout_s: float = Field(30.0, gt=0, description="Longest wait for the mail server.")
    smtp_security: Literal["none", "starttls", "tls"] = Field("none", description="How the connection to the mail server is encrypted.")
    sender: str = Field("vorab <service@example.org>", description="From address of mails.")
    senders: int = Field(4, ge=1, le=64, description="Messages sent at the same time; a kill makes these unknown.")
    retry_s: float = Field(30.0, gt=0, description="First wait before a message is tried again; doubles each time.")
    brake_an_hour: int = Field(
        1_000,
        ge=0,
        description="Messages of a worker in any hour after which all but budget.passes waits for a person to look; 0: no limit.",
    )
    unsubscribe_url: str = Field(
        "", description="HTTPS address for one-click unsubscription (RFC 8058); empty: the desk's own, if desk.base_url is HTTPS."
    )
    words: str = Field("", description="Folder with causes.yaml, machines.yaml and articles/; empty: the words that come with vorab.")
    file_dir: str = Field("", description="Folder of the file channel; empty: messages/ in the state folder.")
    mail_to_files: bool = Field(default=False, description="Write mails to the folder of the file channel instead of sending them.")
    people: str = Field("", description="YAML file of names and contact points, imported at start.")
    apprise_schemas: list[str] = Field(
        default_factory=list, description="Schemas of Apprise that sms, push and chat may use: twilio, ntfys; none without."
    )
    webhook: Webhook = Field(default_factory=Webhook)
    letter: Letter = Field(default_factory=Letter)
    sms: Apprise = Field(default_factory=Apprise)
    push: Apprise = Field(default_factory=Apprise)
    chat: Apprise = Field(default_factory=Apprise)
    web_push: WebPush = Field(default_factory=WebPush)
    inbound: Inbound = Field(default_factory=Inbound)
    budget: Budget = Field(default_factory=Budget)
    preferences: Preferences = Field(default_factory=Preferences)
    habits: bool = Field(
        default=False, description="Learn channel and hour from what people answer, within what is allowed; a message may wait up to 12 h."
    )


Scope = Literal["read", "write", "contacts"]
"""What a token of the API may be for."""


class DeskToken(Section):
    """Somebody who may use the API of the desk."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:~-]{0,63}$", description="Who it is; stands as `by` on what is asked with it.")
    scopes: list[Scope] = Field(
        min_length=1,
        description="`read`, `write` (registry, marks, silences, remedies), `contacts` (a customer got in touch, or books a call).",
    )
    hash: str = Field(pattern=r"^[0-9a-f]{32}:[0-9a-f]{64}$", description="Salt and SHA-256, as `vorab desk token` prints them.")


class Desk(Section):
    """Console, API and customer page."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    database: str = Field("", description="SQLAlchemy address; empty: desk.db in the state folder.")
    base_url: str = Field("", description="Address customers reach the desk under; empty: host and port.")
    time_zone: str = Field("Europe/Berlin", description="Zone of the times the console shows.")
    tokens: list[DeskToken] = Field(default_factory=list, description="Who may use the API; `vorab desk token` makes one.")
    call_secret: SecretStr = Field(
        SecretStr(""), description="Secret shared with the telephone system, whose signed calls are taken as contacts; empty: none are."
    )

    @field_validator("call_secret")
    @classmethod
    def _long_enough(cls, secret: SecretStr) -> SecretStr:
        if 0 < len(secret.get_secret_value()) < MIN_SECRET:
            msg = f"a secret has at least {MIN_SECRET} characters"
            raise ValueError(msg)
        return secret

    partner_hosts: list[str] = Field(
        default_factory=list, description="Hosts that may be called for [[partners]]; *.example.org allows all below it."
    )

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        return _zone(name)


class Service(Section):
    """What every process serves and logs."""

    metrics_host: str = Field("127.0.0.1", description="Address of /metrics, /livez and /readyz.")
    metrics_port: int = Field(0, ge=0, le=65535, description="Port of /metrics, /livez and /readyz; 0 takes a free one.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe level that is logged.")
    log_format: Literal["auto", "json", "text"] = Field("auto", description="auto: text on a terminal, JSON otherwise.")


class Settings(Section):
    """Everything that can be set."""

    log: str = Field("", description="sqlite:///PATH or kafka://HOST:PORT; empty: log.db in the state folder.")
    mode: Mode = Field(Mode.LIVE, description="shadow: everything decides, nothing leaves the house.")
    state_dir: str = Field("var", description="Folder for what vorab keeps.")
    clock: str = Field("", description="Empty: the machine's clock. START@SPEED/ORIGIN: a story clock, for demonstrations and tests.")
    link_secret: SecretStr = Field(
        SecretStr(""), description="Signs links to the customer page; empty: made at first start and kept in the state folder."
    )
    partners: list[Partner] = Field(default_factory=list, description="Outside systems that cases are handed over to.")
    mqtt: Mqtt = Field(default_factory=Mqtt)
    ingest: Ingest = Field(default_factory=Ingest)
    topics: Topics = Field(default_factory=Topics)
    streams: Streams = Field(default_factory=Streams)
    notifier: Notifier = Field(default_factory=Notifier)
    desk: Desk = Field(default_factory=Desk)
    service: Service = Field(default_factory=Service)

    @property
    def state_path(self) -> Path:
        """The state folder."""
        return Path(self.state_dir)

    @property
    def log_address(self) -> str:
        """The log's address with the default filled in."""
        return self.log or f"sqlite:///{self.state_path / 'log.db'}"


def share_of(text: str) -> tuple[int, int]:
    """`i/n` as (i, n).

    Raises:
        ConfigError: i is not below n.
    """
    i, _, n = text.partition("/")
    if not int(i) < int(n):
        msg = f"share {text!r}: the first number counts from 0 and stays below the second"
        raise ConfigError(msg, key="share", hint="two workers are 0/2 and 1/2")
    return int(i), int(n)


class Setting(BaseModel):
    """One row of the table of settings, for `--help` and the docs."""

    key: str
    env: str
    default: str
    about: str


def table(model: type[BaseModel] = Settings, prefix: str = "") -> Iterator[Setting]:
    """All settings in order."""
    for name, info in model.model_fields.items():
        key = f"{prefix}.{name}" if prefix else name
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, Section | Table):
            yield from table(kind, key)
            continue
        default = info.get_default(call_default_factory=True)
        shown = "" if isinstance(default, SecretStr) else str(default)
        yield Setting(key=key, env="VORAB_" + key.upper().replace(".", "_"), default=shown, about=info.description or "")


def load(path: Path | None = None, env: Mapping[str, str] | None = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Settings from a file, the environment, and `overrides` (dotted key to value).

    The file is by default the one VORAB_CONFIG names, else `vorab.toml` here, if there is one.

    Raises:
        ConfigError: unreadable file, unknown key or wrong value; names file and line.
    """
    environment = os.environ if env is None else env
    named = environment.get("VORAB_CONFIG", "")
    file = path or Path(named or FILE)
    text = _read(file, key="VORAB_CONFIG" if named and path is None else "") if path or named or file.exists() else ""
    values = _parse(text, file)
    origin = _take_environment(values, environment)
    for key, value in (overrides or {}).items():
        if value is not None:
            _put(values, key, value)
            origin[key] = "command line"
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise _explain(error, file, text, origin) from None


def _read(file: Path, key: str) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        msg = "there is no such settings file"
        raise ConfigError(msg, file=str(file), key=key, hint="`vorab.example.toml` shows every setting") from None
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"the settings file cannot be read: {why}", file=str(file), key=key, hint="name a file you may read") from None


def _parse(text: str, file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        said = str(error)
        place = re.search(r" \(at line (\d+), column (\d+)\)$", said)
        # Without a place it is the end of the file that comes too early.
        line = int(place[1]) if place else text.count("\n") + 1
        hint = f"look at column {place[2]}; text stands in quotes" if place else "the file ends too early; is a quote or bracket open?"
        raise ConfigError(f"not valid TOML: {said[: place.start()] if place else said}", file=str(file), line=line, hint=hint) from None


def _take_environment(values: dict[str, Any], environment: Mapping[str, str]) -> dict[str, str]:
    origin: dict[str, str] = {}
    for row in table():
        if row.env in environment:
            _put(values, row.key, _from_text(row.key, environment[row.env]))
            origin[row.key] = row.env
    known = {row.env for row in table()} | {"VORAB_CONFIG", "VORAB_CRASH"}
    for name in environment:
        if name.startswith("VORAB_") and not name.startswith("VORAB_TEST_") and name not in known:
            raise ConfigError(f"unknown environment variable {name}", key=name, hint=_nearest(name, known))
    return origin


def _put(values: dict[str, Any], key: str, value: object) -> None:
    *sections, name = key.split(".")
    for section in sections:
        values = values.setdefault(section, {})
    values[name] = value


def _from_text(key: str, text: str) -> object:
    model: Any = Settings
    *sections, name = key.split(".")
    for section in sections:
        model = model.model_fields[section].annotation
    kind = model.model_fields[name].annotation
    if get_origin(kind) is list:
        return [part for part in text.split(",") if part]
    if get_origin(kind) is Literal and all(isinstance(choice, int) for choice in get_args(kind)):
        return int(text) if text.lstrip("-").isdigit() else text
    return text


def _explain(error: ValidationError, file: Path, text: str, origin: Mapping[str, str]) -> ConfigError:
    first = error.errors(include_url=False, include_input=False)[0]
    loc = first["loc"]
    key = ".".join(map(str, loc))
    beside, setting = field_at(Settings, loc)
    what, hint = f"setting {key}: {first['msg'].removeprefix('Value error, ')}", (setting.description or "") if setting else ""
    if first["type"] == "extra_forbidden":
        in_list = any(isinstance(part, int) for part in loc)
        what = f"unknown setting {key}"
        hint = (
            _nearest(str(loc[-1]), beside.model_fields, f"it may be {', '.join(beside.model_fields)}")
            if in_list
            else _nearest(key, (row.key for row in table()))
        )
    if key in origin:
        return ConfigError(what, file=origin[key], key=key, hint=hint)
    return ConfigError(what, file=str(file), line=line_of(text, loc), key=key, hint=hint)


def _nearest(name: str, known: Iterable[str], otherwise: str = "`vorab settings` lists every setting") -> str:
    import difflib  # noqa: PLC0415 - only where something is wrong

    close = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean {close[0]}?" if close else otherwise
