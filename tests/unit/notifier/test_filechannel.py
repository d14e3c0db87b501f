"""The file channel: one whole file per message, whatever happens."""

from __future__ import annotations

import json
from email import message_from_bytes, policy
from pathlib import Path

from notifier.channels import Message, Outcome
from notifier.filechannel import FileChannel
from tests.unit.notifier.house import NOON
from vorab.people import Person


def message(notification: str = "note-1", text: str = "Hallo\n") -> Message:
    """A message to somebody without an address."""
    return Message(notification, "case-1", True, Person("main/c-1", "Erika"), "de", NOON, "Pumpe 7", text, "<p>Hallo</p>", "https://x/c/t")


def test_a_message_is_a_file_any_mail_program_opens(tmp_path: Path) -> None:
    """Also for customers without an address, in a folder that is made when it is missing."""
    channel = FileChannel(tmp_path / "phone")
    assert channel.send(message()).outcome is Outcome.SENT
    [file] = (tmp_path / "phone").iterdir()
    assert file.name == "note-1.eml"
    mail = message_from_bytes(file.read_bytes(), policy=policy.default)
    assert mail["Subject"] == "Pumpe 7"


def test_the_second_time_changes_nothing(tmp_path: Path) -> None:
    """That is why an interrupted message may be repeated here."""
    channel = FileChannel(tmp_path, form="json")
    channel.send(message())
    assert channel.send(message(text="changed\n")).outcome is Outcome.SENT
    [file] = tmp_path.iterdir()
    assert json.loads(file.read_text())["text"] == "Hallo\n"


def test_no_id_leaves_the_folder(tmp_path: Path) -> None:
    """Ids come from the log; slashes and dots in them are only characters."""
    folder = tmp_path / "phone"
    channel = FileChannel(folder)
    for evil in ("../../etc/passwd", "/etc/passwd", "..", "a\0b", "x" * 100):
        channel.send(message(evil))
        assert channel.path(evil).parent == folder
    assert len(list(tmp_path.iterdir())) == 1
    assert len(list(folder.iterdir())) == 5


def test_a_folder_that_cannot_be_written_is_tried_again_later(tmp_path: Path) -> None:
    """A full disk or a missing folder loses no message."""
    channel = FileChannel(tmp_path / "phone")
    (tmp_path / "phone").rmdir()
    assert channel.send(message()).outcome is Outcome.LATER
    (tmp_path / "phone").mkdir()
    assert channel.send(message()).outcome is Outcome.SENT


def test_forgetting_deletes_the_file(tmp_path: Path) -> None:
    """And forgetting what is not there is no error."""
    channel = FileChannel(tmp_path)
    channel.send(message())
    channel.forget("note-1")
    channel.forget("note-1")
    assert list(tmp_path.iterdir()) == []
