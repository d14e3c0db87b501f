"""Who may speak by HTTP."""

from __future__ import annotations

import hashlib

import pytest

from ingest.tokens import Access, Tokens
from vorab.errors import ConfigError


def line(name: str, token: str) -> str:
    """A line of the file."""
    return f"{name} {hashlib.sha256(token.encode()).hexdigest()}\n"


FILE = (
    "# ours\n\n"
    + line("main/pump-7", "a")
    + line("main/pump-7", "b")
    + line("main/*", "c")
    + "other/x sha256:"
    + line("", "d").strip().upper()
)


@pytest.mark.parametrize(
    ("token", "tenant", "device", "access"),
    [
        ("a", "main", "pump-7", Access.GRANTED),
        ("b", "main", "pump-7", Access.GRANTED),
        ("c", "main", "pump-7", Access.GRANTED),
        ("c", "main", "pump-8", Access.GRANTED),
        ("c", "main", "", Access.GRANTED),
        ("d", "other", "x", Access.GRANTED),
        ("a", "main", "pump-8", Access.OTHER),
        ("a", "main", "", Access.OTHER),
        ("c", "other", "x", Access.OTHER),
        ("a", "main", "*", Access.OTHER),
        ("d", "other", "", Access.OTHER),
        ("e", "main", "pump-7", Access.UNKNOWN),
        ("", "main", "pump-7", Access.UNKNOWN),
        ("\udcff", "main", "pump-7", Access.UNKNOWN),
    ],
)
def test_a_token_speaks_for_the_name_it_stands_beside(token: str, tenant: str, device: str, access: Access) -> None:
    """For one device, or with `*` for a whole tenant; a webhook, which speaks of many devices, needs the latter."""
    tokens = Tokens(FILE)
    assert len(tokens) == 3
    assert tokens.access(token, tenant, device) is access


@pytest.mark.parametrize(
    "bad",
    [
        "main/pump-7",
        "main/pump-7 secret",
        "main/pump-7 " + "0" * 63,
        "main 0 0",
        line("main", "a"),
        line("main/a/b", "a"),
        line("*/a", "a"),
    ],
)
def test_a_line_that_cannot_be_is_an_error_that_does_not_repeat_it(bad: str) -> None:
    """File, line and key, and not the secret somebody may have written there."""
    with pytest.raises(ConfigError) as caught:
        Tokens(line("main/*", "a") + bad, file="tokens.txt")
    assert "tokens.txt:2" in str(caught.value)
    assert "secret" not in str(caught.value)
