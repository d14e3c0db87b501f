"""`vorab notify token`: what links an account to its customer."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from notifier.inbound.accounts import token_in, token_of
from vorab.cli.notify import app


def test_the_token_is_the_one_the_notifier_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Printed alone, or as the link that opens the bot with it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VORAB_LINK_SECRET", "a secret for tests")
    plain = CliRunner().invoke(app, ["token", "c-1"])
    link = CliRunner().invoke(app, ["token", "main/c-1", "--bot", "acme_bot"])
    assert token_in(plain.output) == token_of("a secret for tests", "main/c-1")
    assert link.output.strip() == f"https://t.me/acme_bot?start={plain.output.strip()}"
