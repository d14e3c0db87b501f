"""`vorab notify`: every message by every channel, before anybody gets one; and the key of those to browsers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from notifier.glance import LIMIT
from notifier.preview import SAMPLE
from notifier.words import LANGUAGES
from tests.unit.notifier.conformance import HOSTILE
from vorab.cli import main
from vorab.records import Channel, Stage

EVIL = " ".join([*HOSTILE[:6], "x" * 5_000])
CODE = SAMPLE.of("preview")
PAGE = (Path(__file__).parents[4] / "docs" / "messages.md").read_text(encoding="utf-8")


def run(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    """What the command prints."""
    with pytest.raises(SystemExit) as ended:
        main(["notify", "preview", *arguments])
    said = capsys.readouterr()
    assert ended.value.code == code, said.err
    return said.out + said.err


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("channel", Channel)
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("stage", Stage)
def test_every_stage_is_shown_by_every_channel(
    stage: Stage, language: str, channel: Channel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In both languages, with the code, and for a long and hostile name as well; nothing else is written."""
    for name in ("", EVIL):
        where = ("--out", "letter.pdf") if channel is Channel.LETTER else ()
        said = run(capsys, stage, "--language", language, "--channel", channel, "--name", name, "--person", name, *where)
        if channel is Channel.LETTER:
            assert (tmp_path / "letter.pdf").read_bytes().startswith(b"%PDF")
            continue
        assert CODE in said
        if channel is Channel.SMS:
            assert len(said.strip()) <= LIMIT
    assert {file.name for file in tmp_path.iterdir()} <= {"letter.pdf"}


def test_a_mail_can_be_opened_in_a_mail_program_or_a_browser(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the ending of the file; an existing look at it is replaced."""
    run(capsys, "healed", "--out", "a.eml")
    run(capsys, "healed", "--out", "a.html")
    run(capsys, "healed", "--out", "a.html")
    assert b"Message-ID: <preview@" in (tmp_path / "a.eml").read_bytes()
    assert (tmp_path / "a.html").read_bytes().startswith(b"<!doctype html>")


def test_a_letter_without_a_file_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    """A terminal shows no PDF."""
    assert "--out letter.pdf" in run(capsys, "healed", "--channel", "letter", code=2)
    assert "cannot write" in run(capsys, "healed", "--out", "nowhere/a.html", code=2)


def test_the_example_of_the_page_is_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """A reader who types it sees it."""
    found = re.search(r"\$ vorab notify preview (.*)\n(.*)\n", PAGE)
    assert found
    assert run(capsys, *found[1].split()).strip() == found[2]


def test_the_key_is_made_once_and_shown(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The public half and where the file is; the second time the same; never the private half."""
    file = tmp_path / "vorab.toml"
    file.write_text(f'state_dir = "{tmp_path}/state"\n', encoding="utf-8")

    def keys(*more: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main(["notify", "keys", "--config", str(file), *more])
        assert ended.value.code == 0
        return capsys.readouterr().out

    first, second = json.loads(keys("--json")), json.loads(keys("--json"))
    assert (first["made"], second["made"], first["on"]) == (True, False, False)
    assert first["public_key"] == second["public_key"]
    said = keys()
    assert first["public_key"] in said
    assert "notifier.web_push.contact" in said
    assert not any(line in said for line in Path(first["file"]).read_text(encoding="utf-8").splitlines())
