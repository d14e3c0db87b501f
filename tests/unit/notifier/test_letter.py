"""Letters: they fit the window, they can be read, they say the code and the number, and they are written once."""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from typing import NamedTuple

import pytest
from fpdf import FPDF

from notifier.channels import Message, Outcome, paragraphs
from notifier.letter import Addresses, LetterChannel
from notifier.letter_pdf import (
    LARGE,
    LEFT,
    SMALL,
    WINDOW_HEIGHT,
    WINDOW_TOP,
    WINDOW_WIDTH,
    Letterhead,
    letter,
    winansi,
)
from notifier.render import Renderer
from notifier.ways import channels_of
from notifier.words import LANGUAGES, load_words
from tests.unit.notifier.conformance import ERIKA, HOSTILE, message
from tests.unit.notifier.house import MORNING, customer, note
from vorab.codes import Codes
from vorab.errors import ConfigError
from vorab.records import Channel, Stage
from vorab.settings import load

ADDRESS = ("Erika Muster", "Hauptstraße 12", "10115 Berlin")
HEAD = Letterhead(
    "Muster Service",
    "Muster Service · Ringstraße 1 · 10117 Berlin",
    "030 1234567",
    ("Muster Service GmbH · AG Berlin HRB 1", "Erika Chefin"),
)
MM = 72 / 25.4
RENDERER = Renderer(load_words(), Codes("a secret for tests"))


class Line(NamedTuple):
    """A line on paper: where its first letter stands (mm from top left), how large (points), and what it says."""

    x: float
    y: float
    size: float
    text: str


def lines_of(pdf: bytes) -> list[Line]:
    """What a PDF shows, read from its own drawing commands."""
    drawn = b"\n".join(
        zlib.decompress(found) for found in re.findall(rb"/FlateDecode\n/Length \d+\n>>\nstream\n(.*?)\nendstream", pdf, re.DOTALL)
    )
    found, size = [], 0.0
    for match in re.finditer(r"/F\d+ ([\d.]+) Tf|BT ([\d.]+) ([\d.]+) Td .*?\((.*?)(?<!\\)\) ?Tj", drawn.decode("cp1252"), re.DOTALL):
        if match[1]:
            size = float(match[1])
        else:
            text = re.sub(r"\\(.)", r"\1", match[4])
            found.append(Line(float(match[2]) / MM, 297 - float(match[3]) / MM, size, text))
    return found


def width_mm(line: Line) -> float:
    """How wide a line is on paper."""
    ruler = FPDF()
    ruler.core_fonts_encoding = "cp1252"
    ruler.set_font("Helvetica", size=line.size)
    return ruler.get_string_width(line.text)


def written(stage: Stage, language: str, name: str = "Pumpe 7", person: str = ERIKA.name) -> Message:
    """A message as the notifier hands it over."""
    told = note(stage, params={"name": name, "model": "heat-pump", "cause": "low_pressure"})
    words = RENDERER.render(told, None, customer(language=language), now=MORNING, name=person, link="https://desk.example.org/c/token")
    return Message("note-1", "case-1", True, ERIKA, language, MORNING, words.subject, words.text, words.html, words.link)


def test_the_address_stands_in_the_window() -> None:
    """DIN 5008 form B: 80 by 27.3 mm, from 25 mm left and 62.7 mm down; nothing but address and sender is near it."""
    found = lines_of(letter(HEAD, ADDRESS, message(), "0417"))
    inside = [line for line in found if WINDOW_TOP <= line.y <= WINDOW_TOP + WINDOW_HEIGHT and line.x < LEFT + WINDOW_WIDTH]
    assert [line.text for line in inside] == list(ADDRESS)
    assert {round(line.x, 1) for line in inside} == {LEFT}
    [sender] = [line for line in found if line.text == HEAD.sender]
    assert WINDOW_TOP - 5 < sender.y < WINDOW_TOP


@pytest.mark.parametrize("evil", HOSTILE)
def test_no_address_grows_out_of_the_window(evil: str) -> None:
    """However many lines it has and however long they are."""
    found = lines_of(letter(HEAD, [evil] * 9, message(), "0417"))
    text = {line.text for line in lines_of(letter(HEAD, (), message(), "0417"))}
    for line in found:
        if line.text not in text:
            assert WINDOW_TOP <= line.y <= WINDOW_TOP + WINDOW_HEIGHT
            assert width_mm(line) <= WINDOW_WIDTH + 0.5


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("stage", Stage)
def test_a_letter_is_large_and_says_code_and_number(stage: Stage, language: str) -> None:
    """Every stage in both languages on one sheet: at least 14 points for all that is to be read, and no link nobody can press."""
    said = written(stage, language)
    pdf = letter(HEAD, ADDRESS, said, "0417")
    found = lines_of(pdf)
    text = " ".join(line.text for line in found)
    assert pdf.count(b"/Type /Page\n") == 1
    body = [line for line in found if WINDOW_TOP + WINDOW_HEIGHT + 5 < line.y < 297 - 25]
    assert len(body) > 5
    assert all(line.size >= LARGE for line in body)
    assert all(word in text for word in ("0417", HEAD.phone, HEAD.brand, *HEAD.footer))
    assert "http" not in text
    for paragraph in paragraphs(said):
        assert winansi(paragraph) in text


def test_small_type_is_caught() -> None:
    """Known bad: a letter that is set in the size of its legal lines."""
    found = lines_of(letter(HEAD, ADDRESS, message(), "0417"))
    assert any(line.size == SMALL for line in found)
    assert not all(line.size >= LARGE for line in found)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("evil", HOSTILE)
def test_any_name_makes_a_letter(stage: Stage, language: str, evil: str) -> None:
    """Long and hostile names of machines and people, in every stage and both languages."""
    found = lines_of(letter(HEAD, (evil, "10115 Berlin"), written(stage, language, evil, evil), "0417"))
    assert any("0417" in line.text for line in found)
    assert all(line.x < 210 and 0 < line.y < 297 for line in found)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Jürgen Großmann, Straße 5 €", "Jürgen Großmann, Straße 5 €"),
        ("Łukasz Đoković", "Lukasz Dokovic"),
        ("Dvořák, Erdoğan, Ștefan", "Dvorák, Erdogan, Stefan"),
        ("„Pumpe“ – 5 °C", "„Pumpe“ – 5 °C"),
        ("山田", "??"),
        ("2 ⁄ 3", "2 ? 3"),
    ],
)
def test_what_helvetica_lacks_is_replaced_by_what_is_nearest(text: str, shown: str) -> None:
    """Whoever sorts the post can still read the name."""
    assert winansi(text) == shown


def test_a_letter_says_what_the_message_says_without_its_button() -> None:
    """The link, its label and the lines below are for screens."""
    said = written(Stage.CONSENT, "de")
    found = paragraphs(said)
    assert found[0] == "Guten Tag Erika Muster,"
    assert "neu starten" in " ".join(found)
    assert not any("desk.example.org" in part or "Ja oder nein" in part or "Vorgang" in part for part in found)


def channel(folder: Path, text: str = "c-1: [Erika Muster, Hauptstraße 12, 10115 Berlin]\n") -> LetterChannel:
    """The channel with these addresses."""
    file = folder / "letters.yaml"
    file.write_text(text, encoding="utf-8")
    return LetterChannel(folder / "post", Addresses(file), HEAD, Codes("a secret for tests"))


def test_a_letter_is_written_once_and_can_be_forgotten(tmp_path: Path) -> None:
    """A second time leaves the first as it is: it may have been posted."""
    port = channel(tmp_path)
    port.send(message("note-1"))
    first = port.path("note-1").read_bytes()
    assert port.send(message("note-1", subject="something else")).outcome is Outcome.SENT
    assert port.path("note-1").read_bytes() == first
    port.forget("note-1")
    assert list((tmp_path / "post").iterdir()) == []


def test_who_is_taken_out_of_the_addresses_gets_no_more_letters(tmp_path: Path) -> None:
    """Without a start anew; also between the decision and the letter, and where the new file cannot be read."""
    port = channel(tmp_path)
    assert port.reaches(ERIKA)
    (tmp_path / "letters.yaml").write_text("c-2: [Max Muster, 10115 Berlin]\n", encoding="utf-8")
    assert not port.reaches(ERIKA)
    assert port.send(message()).outcome is Outcome.FAILED
    (tmp_path / "letters.yaml").write_text("c-1: {half", encoding="utf-8")
    assert not port.reaches(ERIKA)
    assert list((tmp_path / "post").iterdir()) == []


@pytest.mark.parametrize("text", ["- c-1\n", "c-1: Erika Muster\n", "c-1: []\n", "c-1: {Hauptstraße 12\n"])
def test_a_wrong_file_of_addresses_is_refused_and_not_quoted(tmp_path: Path, text: str) -> None:
    """What it holds must not end up in a log."""
    with pytest.raises(ConfigError) as caught:
        channel(tmp_path, text)
    assert "Erika" not in str(caught.value).replace("[Erika Muster, Hauptstraße 1, 10115 Berlin]", "")
    assert "Hauptstraße 12" not in str(caught.value)


def test_a_table_of_settings_makes_the_channel(tmp_path: Path) -> None:
    """A font that is not there ends the start."""
    (tmp_path / "letters.yaml").write_text("c-1: [Erika Muster, 10115 Berlin]\n", encoding="utf-8")
    file = tmp_path / "vorab.toml"
    table = f"state_dir = '{tmp_path}'\n[notifier.letter]\naddresses = '{tmp_path}/letters.yaml'\n"
    file.write_text(table, encoding="utf-8")
    assert Channel.LETTER in [port.channel for port in channels_of(load(file, {}))]
    file.write_text(table + "font = 'nowhere.ttf'\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"notifier\.letter\.font"):
        channels_of(load(file, {}))
