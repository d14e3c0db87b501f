"""How vorab answers who calls it in a way it does not know."""

from __future__ import annotations

import pytest

from vorab import cli
from vorab.cli import up
from vorab.errors import ConfigError


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["dmeo"], ("there is no command dmeo\n  at vorab\n", "did you mean demo?")),
        (["up", "--mqt", "x"], ("there is no option --mqt\n  at vorab up\n", "did you mean --mqtt?")),
        (["rules", "chek"], ("there is no command chek\n  at vorab rules\n", "did you mean check?")),
        (["demo", "--seconds", "5"], ("40", "at vorab demo\n", "`vorab demo --help`")),
        (["up", "--mqtt", "h:abc"], ("--mqtt is HOST:PORT, not 'h:abc'",)),
    ],
)
def test_a_usage_error_says_what_where_and_what_to_do(
    arguments: list[str], words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """Three lines on standard error, exit code 2."""
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)

    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert len(said.strip().splitlines()) == 3, said
    assert all(word in said for word in words), said


def test_one_command_that_cannot_be_loaded_leaves_the_others_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The help still lists every command, and the broken one says what is missing."""
    monkeypatch.setitem(cli.COMMANDS, "why", cli.Entry("vorab.cli.no_such_module", "why", "Broken.", cli.FIRST))

    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])
    assert ended.value.code == 0
    assert "doctor" in capsys.readouterr().out

    with pytest.raises(SystemExit) as ended:
        cli.main(["why", "--some", "thing"])
    assert ended.value.code == 2
    assert "vorab why cannot be loaded" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "expected"), [("h:1884", ("h", 1884)), ("broker.example.org", ("broker.example.org", 1883)), ("[::1]:1", ("::1", 1))]
)
def test_a_broker_is_host_and_port(text: str, expected: tuple[str, int]) -> None:
    """Without a port it is MQTT's own."""
    assert up.broker_of(text) == expected


@pytest.mark.parametrize("text", ["", ":1883", "h:", "h:0", "h:65536", "mqtt://h:1883", "a b"])
def test_what_is_no_broker_is_refused(text: str) -> None:
    """At once, with an example, rather than tried for ever."""
    with pytest.raises(ConfigError, match="HOST:PORT"):
        up.broker_of(text)
