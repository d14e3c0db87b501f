"""The profiles of deploy/mosquitto for devices outside this machine: what they say, read from the files; and who gets a certificate."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Final

import pytest

from ingest.dialects import DIALECTS, entries
from ingest.topicmap import TopicMap
from tests.parts.base import missing, program
from tests.parts.mosquitto import PROFILES

NAMES: Final = ("standard", "durable")
DOOR: Final = {
    "allow_anonymous": "false",
    "require_certificate": "true",
    "use_identity_as_username": "true",
    "use_subject_as_username": "false",
    "allow_zero_length_clientid": "false",
    "tls_version": "tlsv1.2",
    "max_topic_alias": "100",
    "max_qos": "2",
}
DEVICES: Final = DOOR | {"use_username_as_clientid": "true", "max_connections": "20000"}
SERVICES: Final = DOOR | {"use_username_as_clientid": "false", "max_connections": "100"}
TRUST: Final = {
    *DOOR,
    *("use_username_as_clientid", "max_connections", "per_listener_settings", "acl_file", "cafile", "crlfile", "certfile", "keyfile"),
    "connection_messages",
}


def sections(name: str) -> list[dict[str, str]]:
    """The settings before the first listener, and those of each listener with its port; what follows the last belongs to it."""
    found: list[dict[str, str]] = [{}]
    for line in (PROFILES / f"{name}.conf").read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        key, value = line.split(maxsplit=1)
        if key == "listener":
            found.append({})
        if key != "log_type":
            assert key not in found[-1], f"{key} stands twice"
        found[-1][key] = value
    return found


def flat(name: str) -> dict[str, str]:
    """Everything but who may come in."""
    return {key: value for part in sections(name) for key, value in part.items() if key not in TRUST | {"listener"}}


@pytest.mark.parametrize("name", NAMES)
def test_a_profile_with_tls_has_the_limits_of_the_one_without(name: str) -> None:
    """Who comes in by TLS finds the same queue, the same sizes, the same saving: only the doors differ."""
    assert flat(f"{name}-tls") == flat(name)


@pytest.mark.parametrize("name", NAMES)
def test_both_doors_ask_for_a_certificate_and_have_a_list_of_their_own(name: str) -> None:
    """Nothing about who may come in is left to a default, and neither door trusts what the other trusts."""
    common, devices, services = sections(f"{name}-tls")
    assert common["per_listener_settings"] == "true"
    assert devices | DEVICES == devices
    assert services | SERVICES == services
    assert services["listener"].endswith(" 127.0.0.1")
    assert (Path(devices["acl_file"]).name, Path(services["acl_file"]).name) == ("devices.acl", "services.acl")
    assert all("devices-ca" in devices[key] and "services-ca" in services[key] for key in ("cafile", "crlfile"))


def rights(name: str) -> list[tuple[str, str, str]]:
    """(kind, access, topic) of each line of an access list."""
    lines = [line.split(maxsplit=2) for line in (PROFILES / name).read_text().splitlines() if line and not line.startswith("#")]
    return [(kind, rest[0], rest[1] if len(rest) > 1 else "") for kind, *rest in lines]


def too_wide(listed: list[tuple[str, str, str]]) -> list[str]:
    """Lines of the devices' list that a device could use on another one."""
    wide = []
    for kind, access, topic in listed:
        levels = topic.split("/")
        named = [i for i, level in enumerate(levels) if level in {"%u", "vorab-%u"}]
        about_itself = len(named) == 1 and topic.count("%") == 1 and ("#" not in levels or levels.index("#") > named[0])
        common = topic == "spBv1.0/STATE/+" and access == "read"
        if kind != "pattern" or access not in {"read", "write"} or not (about_itself or common):
            wide.append(f"{kind} {access} {topic}")
    return wide


def test_a_device_has_rights_below_its_own_name_only() -> None:
    """Every right of a device names the device, and none is given by a user name."""
    assert too_wide(rights("devices.acl")) == []


@pytest.mark.parametrize(
    "line",
    [
        ("user", "vorab", ""),
        ("topic", "write", "a"),
        ("pattern", "write", "a/#"),
        ("pattern", "readwrite", "a/%u"),
        ("pattern", "read", "#/%u"),
    ],
)
def test_a_right_that_is_too_wide_is_caught(line: tuple[str, str, str]) -> None:
    """Known bad: a user, a right without a name, one for both directions, one that begins with a wildcard."""
    assert too_wide([line])


def covers(rule: str, wanted: str) -> bool:
    """Whether everything that one filter matches is matched by the other."""
    ours, theirs = rule.split("/"), wanted.split("/")
    for i, level in enumerate(ours):
        if level == "#":
            return True
        if i >= len(theirs) or theirs[i] == "#" or (level not in {"+", theirs[i]}):
            return False
    return len(ours) == len(theirs)


def unheard(listed: list[tuple[str, str, str]], filters: list[str]) -> list[str]:
    """Filters of ingest that its list does not let through."""
    readable = [topic for _, access, topic in listed if access in {"read", "readwrite"}]
    return [wanted for wanted in filters if not any(covers(rule, wanted) for rule in readable)]


def test_ingest_may_hear_whatever_it_listens_to() -> None:
    """Every topic of the contract and of every dialect: a subscription that the list does not cover would stay silent for ever."""
    spoken = TopicMap([*entries(DIALECTS)], 4, 1)
    assert unheard(rights("services.acl"), [wanted for wanted, _ in spoken.filters]) == []
    assert unheard(rights("services.acl"), ["meters/+"]) == ["meters/+"]


COMMANDS: Final = (
    "vorab/v1/main/p/cmd/restart",
    "vorab/v1/main/p/ack",
    "vorab/v1/main/p/errors",
    "cmnd/p/Power",
    "shelly-1/rpc",
    "p/v1/devices/me/rpc/request/7",
    "gw/v1/gateway/rpc",
    "spBv1.0/plant/NCMD/p",
    "spBv1.0/plant/DCMD/p/valve",
    "homie/5/p/lamp/state/set",
    "homie/p/lamp/state/set",
    "zigbee2mqtt/kitchen/lamp/set",
    "vorab/doctor/0123",
)


def test_ingest_may_say_whatever_devices_are_asked_by() -> None:
    """Every kind of command has a line: a broker may end the connection of who publishes at QoS 1 where it may not."""
    writable = [topic for _, access, topic in rights("services.acl") if access in {"write", "readwrite"}]
    assert [topic for topic in COMMANDS if not any(covers(rule, topic) for rule in writable)] == []


def test_ingest_cannot_speak_as_a_device() -> None:
    """Whoever gets hold of the services' certificate still cannot forge telemetry, statuses or answers of the contract."""
    writes = [topic for _, access, topic in rights("services.acl") if access in {"write", "readwrite"}]
    assert not [topic for topic in writes if re.search(r"(telemetry|status|res|#)$", topic) and not topic.startswith("zigbee2mqtt")]


def certificates(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the script."""
    if program("openssl") is None:
        missing("openssl", "your system's package of that name")
    return subprocess.run(["sh", str(PROFILES / "certificates.sh"), *arguments], capture_output=True, text=True, check=False, cwd=folder)


def test_names_that_mean_something_get_no_certificate(tmp_path: Path) -> None:
    """Wildcards, slashes, capitals, families of topics, names of services, lines and options are refused; ordinary names are not."""
    assert certificates(tmp_path, "new", "pki").returncode == 0
    hostile = [
        "+",
        "#",
        "a/b",
        "..",
        "$SYS",
        "ab",
        "PUMP",
        "pump 7",
        "pump\n7",
        "pump\n",
        "-pump",
        "x" * 65,
        "pümp",
        "vorab-ingest",
        "tele",
        "5",
        "",
    ]
    assert {name: certificates(tmp_path, "device", "pki", name).returncode for name in hostile} == dict.fromkeys(hostile, 2)
    assert list((tmp_path / "pki" / "devices").iterdir()) == []
    for name in ("pump-7", "x" * 64, "0a1b2c"):
        assert certificates(tmp_path, "device", "pki", name).returncode == 0, name
    assert certificates(tmp_path, "service", "pki", "pump-7").returncode == 2
    assert certificates(tmp_path, "device", "pki", "pump-7").returncode == 2
    assert certificates(tmp_path, "revoke", "pki", "../../x").returncode == 2


def test_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    """Everything the script writes is closed to others."""
    certificates(tmp_path, "new", "pki")
    certificates(tmp_path, "device", "pki", "pump-7")
    files = [file for file in (tmp_path / "pki").rglob("*") if file.is_file()]
    assert len(files) > 8
    assert [file.name for file in files if file.stat().st_mode & 0o077] == []
