"""Settings of replies: what would listen to the world or call whom nobody named ends the start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from notifier.wiring import Service
from vorab import settings
from vorab.clock import SystemClock
from vorab.errors import ConfigError
from vorab.log.sqlite import SqliteLog

BOT = {"notifier.inbound.telegram.url": "https://api.telegram.org", "notifier.inbound.telegram.token": "t"}


def load(**values: Any) -> settings.Settings:
    """Settings with these keys."""
    return settings.load(None, env={}, overrides={key.replace("__", "."): value for key, value in values.items()})


def test_replies_are_off_unless_asked_for() -> None:
    """Nothing listens, nothing is asked, nothing is answered."""
    of = load().notifier.inbound
    assert (of.on, of.mail.port, of.webhook.port, of.imap.host, of.telegram.url, of.mastodon.url) == (False, 0, 0, "", "", "")


@pytest.mark.parametrize(
    "wrong",
    [
        {"notifier.inbound.mail.host": "0.0.0.0"},  # noqa: S104 - that it is refused is the test
        {"notifier.inbound.webhook.host": "example.org"},
        {"notifier.inbound.webhook.port": 8025},
        {"notifier.inbound.webhook.secret": "short"},
        {"notifier.inbound.imap.host": "imap.example.org"},
        {"notifier.inbound.imap.host": "imap.example.org", "notifier.inbound.imap.username": "x", "notifier.inbound.imap.security": "none"},
        BOT,
        {**BOT, "notifier.inbound.telegram.hosts": ["example.org"]},
        {"notifier.inbound.mastodon.url": "http://social.example", "notifier.inbound.mastodon.hosts": ["social.example"]},
        {"notifier.inbound.automate": ["order"]},
    ],
)
def test_what_is_set_up_wrongly_is_named(wrong: dict[str, Any]) -> None:
    """Before anything starts."""
    with pytest.raises(ConfigError) as error:
        load(**wrong)
    assert "notifier.inbound" in str(error.value)


def test_a_service_whose_host_is_named_may_be_asked() -> None:
    """The operator's list is what counts."""
    assert load(**BOT, **{"notifier.inbound.telegram.hosts": ["api.telegram.org"]}).notifier.inbound.telegram.url


def test_one_notifier_deals_with_replies(tmp_path: Path) -> None:
    """Workers with a share know only some of the customers."""
    of = load(**{"notifier.inbound.on": True, "notifier.share": "0/2", "state_dir": str(tmp_path)})
    with SqliteLog(tmp_path / "log.db") as log, pytest.raises(ConfigError, match="one notifier"):
        Service(log, of, SystemClock())
