"""Settings: every wrong key is named with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from vorab import settings
from vorab.errors import ConfigError


def _load(tmp_path: Path, text: str, **env: str) -> settings.Settings:
    file = tmp_path / "vorab.toml"
    file.write_text(text, encoding="utf-8")
    return settings.load(file, env)


def test_without_a_file_the_defaults_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Vorab starts without being told anything."""
    monkeypatch.chdir(tmp_path)
    found = settings.load(None, {})

    assert (found.mode, found.mqtt.port, found.log_address) == (settings.Mode.LIVE, 1883, "sqlite:///var/log.db")


def test_a_settings_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    """Whoever names a file means it: defaults instead of it would be another installation."""
    for name in ("nowhere.toml", "."):
        with pytest.raises(ConfigError, match="VORAB_CONFIG"):
            settings.load(None, {"VORAB_CONFIG": str(tmp_path / name)})
    with pytest.raises(ConfigError, match="no such settings file"):
        settings.load(tmp_path / "nowhere.toml", {})


def test_toml_mistakes_name_their_line_once(tmp_path: Path) -> None:
    """What, where, what to do."""
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, "[mqtt]\nhost = broker\n")
    assert str(caught.value) == (
        f"not valid TOML: Invalid value\n  at {tmp_path / 'vorab.toml'}:2\n  look at column 8; text stands in quotes"
    )


def test_the_environment_beats_the_file_and_the_command_line_beats_both(tmp_path: Path) -> None:
    """The nearer to the call, the stronger."""
    file = tmp_path / "vorab.toml"
    file.write_text("[mqtt]\nport = 1\nhost = 'a'\nqos = 0\n", encoding="utf-8")

    found = settings.load(file, {"VORAB_MQTT_PORT": "2", "VORAB_MQTT_HOST": "b"}, {"mqtt.port": 3})

    assert (found.mqtt.port, found.mqtt.host, found.mqtt.qos) == (3, "b", 0)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("[mqtt]\nhost = 'a'\nport = 99999\n", 3, "mqtt.port"),
        ("mode = 'live'\n[mqtt]\nprot = 1\n", 3, "did you mean mqtt.port"),
        ("mode = 'loud'\n", 1, "mode"),
        ("\n\n[mqt]\nport = 1\n", 3, "unknown setting mqt"),
        ("[[ingest.topic_map]]\nfilter = 'a'\n[[ingest.topic_map]]\nfilter = 'b'\ntimes = 'x'\n", 5, "topic_map.1.times"),
        ("mode = \n", 1, "not valid TOML"),
        ("[desk]\nport = 1\ntime_zone = 'Mars/Olympus'\n", 3, "no time zone 'Mars/Olympus'"),
    ],
)
def test_a_wrong_setting_is_named_with_file_and_line(tmp_path: Path, text: str, line: int, says: str) -> None:
    """Whoever reads the error knows where to look and what to write."""
    with pytest.raises(ConfigError, match=says.replace(".", r"\.")) as caught:
        _load(tmp_path, text)

    assert f"vorab.toml:{line}" in str(caught.value)


def test_a_wrong_environment_variable_is_named() -> None:
    """A typo in the environment is not silently ignored."""
    with pytest.raises(ConfigError, match="did you mean VORAB_MQTT_PORT"):
        settings.load(None, {"VORAB_MQTT_PRT": "1"})
    with pytest.raises(ConfigError, match="VORAB_MQTT_PORT"):
        settings.load(None, {"VORAB_MQTT_PORT": "many"})


def test_a_file_that_was_named_must_exist(tmp_path: Path) -> None:
    """Only the default file may be missing."""
    with pytest.raises(ConfigError, match="no such settings file"):
        settings.load(tmp_path / "none.toml", {})


def test_secrets_do_not_show(tmp_path: Path) -> None:
    """Neither printing the settings nor listing them tells a password."""
    found = _load(tmp_path, "link_secret = 'hunter2'\n[mqtt]\npassword = 'hunter2'\n")

    assert "hunter2" not in f"{found!r} {found} {list(settings.table())}"


def test_every_setting_has_a_help_text() -> None:
    """Nobody has to read the source to know what a setting does."""
    assert [row.key for row in settings.table() if not row.about.endswith(".")] == []


def test_a_share_counts_from_zero() -> None:
    """Two workers are 0/2 and 1/2."""
    assert settings.share_of("1/2") == (1, 2)
    with pytest.raises(ConfigError, match="0/2 and 1/2"):
        settings.share_of("2/2")


def test_a_client_certificate_without_tls_is_refused() -> None:
    """Whoever names a certificate means TLS; without the authority's file the connection would be plain text, and nobody would notice."""
    with pytest.raises(ConfigError, match=r"mqtt\.ca_file"):
        settings.load(env={}, overrides={"mqtt.cert_file": "ingest.crt"})
