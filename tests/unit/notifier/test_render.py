"""What messages say: compared with the texts in `messages/`, which are meant to be read.

After a change of wording: `VORAB_TEST_WRITE=1 pytest tests/unit/notifier/test_render.py`, then read the difference.
"""

from __future__ import annotations

import os
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.render import Renderer, called, language_of, plain
from notifier.words import LANGUAGES, Times, Words, load_words
from tests.unit.notifier.house import MORNING, NIGHT, customer, note
from vorab.clock import DAY, MINUTE, Micros, iso, parse_iso
from vorab.codes import Codes, code_of
from vorab.errors import ConfigError
from vorab.records import Stage

RENDERER: Final = Renderer(load_words(), Codes("a secret for tests"))
TEXTS: Final = Path(__file__).parent / "messages"
LINK: Final = "https://desk.example.org/c/token"
TIMES: Final = {"onset": iso(NIGHT), "acted_at": iso(NIGHT + 4 * MINUTE), "healed_at": iso(NIGHT + 21 * MINUTE)}


def message(stage: Stage, language: str, *, person: str = "Erika Muster", now: Micros = MORNING, **params: Any) -> Any:
    """A rendered message about a heat pump."""
    told = note(stage, params={"name": "Pumpe 7", "model": "heat-pump", "cause": "low_pressure", **TIMES, **params})
    return RENDERER.render(told, None, customer(language=language), now=now, name=person, link=LINK)


STORIES: Final[dict[str, tuple[Stage, dict[str, Any]]]] = {
    "healed": (Stage.HEALED, {"remedy": "restart"}),
    "healed_by_itself": (Stage.HEALED, {"acted_at": "", "cause": "silent"}),
    "person_needed": (Stage.PERSON_NEEDED, {"remedy": "restart"}),
    "person_needed_at_once": (Stage.PERSON_NEEDED, {"acted_at": "", "model": "printer", "name": "Drucker 2. OG", "cause": "toner_feed"}),
    "person_needed_since_long": (Stage.PERSON_NEEDED, {"acted_at": "", "model": "pump", "cause": "bearing", "onset": iso(NIGHT - 3 * DAY)}),
    "consent": (Stage.CONSENT, {"acted_at": "", "duration_s": 120}),
    "consent_unknown_machine": (Stage.CONSENT, {"acted_at": "", "model": "toaster", "name": "", "cause": "sulking"}),
    "resolved": (Stage.RESOLVED, {"acted_at": ""}),
    "incident": (Stage.INCIDENT, {"acted_at": "", "others": 2}),
    "incident_of_one": (Stage.INCIDENT, {"acted_at": ""}),
    "resolved_for_several": (Stage.RESOLVED, {"acted_at": "", "others": 1}),
}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("story", STORIES)
def test_the_message_reads_as_written(story: str, language: str) -> None:
    """The text a customer gets, word for word."""
    stage, params = STORIES[story]
    found = message(stage, language, **params)
    file = TEXTS / f"{story}.{language}.txt"
    text = f"Subject: {found.subject}\n\n{found.text}"
    if os.environ.get("VORAB_TEST_WRITE"):
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("story", STORIES)
def test_a_message_is_short_calm_and_has_one_button(story: str, language: str) -> None:
    """Under sixty words before the button, no exclamation, one link, nothing loaded from anywhere."""
    stage, params = STORIES[story]
    found = message(stage, language, **params)
    assert len(" ".join(found.body).split()) < 60
    assert "!" not in found.subject + found.text
    assert found.text.count("http") == 1
    page = Page(found.html)
    assert page.links == [LINK]
    assert page.language == language
    assert not page.loads
    for paragraph in found.body:
        assert paragraph in page.text


class Page(HTMLParser):
    """What an HTML mail shows, links to and loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.tags: list[str] = []
        self.language, self.text = "", ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note links and what would be loaded."""
        found = dict(attrs)
        self.tags.append(tag)
        self.links += [found["href"] or ""] if tag == "a" else []
        self.loads += [tag] if tag in {"img", "script", "link", "iframe"} or "src" in found else []
        self.language = found.get("lang") or self.language

    def handle_data(self, data: str) -> None:
        """Note the text."""
        self.text += data


EVIL: Final = [
    "{{7*7}}",
    "{% for x in ().__class__.__base__.__subclasses__() %}x{% endfor %}",
    "${7*7} #{7*7} <%= 7*7 %>",
    "{0.__class__} %(x)s %s",
    "{when}",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "a\r\nBcc: x@example.org\n\n{% endblock %}",
    "https://evil.example/login",
    "HTTPS://EVIL.example www.evil.example mailto:x@evil.example javascript:alert(1)",
    "\u202egnp.exe\u2066",
    "x" * 10_000,
]


@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.parametrize("stage", Stage)
def test_what_comes_from_outside_is_only_ever_text(stage: Stage, evil: str) -> None:
    """Names, models, causes and remedies are shown or ignored, and never run, never linked, never a second line."""
    calm = message(stage, "de", person="N", model="x", cause="x")
    found = message(
        stage, "de", person=evil, name=evil, model=evil, cause=evil, remedy=evil, onset=evil, acted_at=evil, healed_at=evil, duration_s=evil
    )
    assert "49" not in found.text.replace("7*7", "")
    page = Page(found.html)
    assert page.links == [LINK]
    assert page.tags == Page(calm.html).tags or evil == ""
    assert found.text.count("://") == 1
    assert "www." not in found.text
    assert len(found.text) < 1_500
    assert "\u202e" not in found.text + found.subject
    assert "\n" not in found.subject


@given(st.dictionaries(st.sampled_from(["name", "model", "cause", "onset", "acted_at", "healed_at", "remedy", "duration_s"]),
                       st.text(max_size=50) | st.integers() | st.floats(allow_nan=False) | st.booleans() | st.none()),
       st.sampled_from(Stage), st.text(max_size=10))  # fmt: skip
def test_any_parameters_make_a_message(params: dict[str, Any], stage: Stage, language: str) -> None:
    """A template error would stop the notifier for everybody, so there is none."""
    told = note(stage, params=params)
    found = RENDERER.render(told, None, customer(language=language), now=MORNING, name="N", link=LINK)
    assert found.body
    assert found.subject


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("stage", Stage)
def test_every_message_carries_the_code_of_its_case(stage: Stage, language: str) -> None:
    """The same in text, HTML and short form, so that a customer can tell us from fraud; without a secret there is none."""
    found = message(stage, language)
    code = code_of("a secret for tests", "case-1")
    assert found.code == code
    assert found.text.count(code) == Page(found.html).text.count(code) == found.glance.count(code) == 1
    without = Renderer(load_words()).render(note(stage), None, customer(language=language), now=MORNING)
    assert "ode" not in without.text.rpartition("-- ")[2]


def test_values_lose_what_a_mail_program_would_link() -> None:
    """Names stay readable."""
    assert plain("Pumpe 7.1, Halle 3") == "Pumpe 7.1, Halle 3"
    assert plain("Drucker 2. OG") == "Drucker 2. OG"
    assert plain("http://evil.example/x") == "http evil·example/x"
    assert plain("a@b.example") == "a b·example"


@pytest.mark.parametrize(
    ("at", "de", "en"),
    [
        ("2026-11-24T02:10:00+01:00", "heute um 02:10 Uhr", "at 02:10 today"),
        ("2026-11-23T23:59:00+01:00", "gestern um 23:59 Uhr", "at 23:59 yesterday"),
        ("2026-11-21T02:10:00+01:00", "am 21. November um 02:10 Uhr", "at 02:10 on 21 November"),
        ("2025-11-21T02:10:00+01:00", "am 21. November 2025 um 02:10 Uhr", "at 02:10 on 21 November 2025"),
    ],
)
def test_times_are_said_as_people_say_them(at: str, de: str, en: str) -> None:
    """In the customer's zone, as seen from the moment of sending."""
    from notifier.quiet import zone_of

    said = [Times(language, zone_of("Europe/Berlin"), MORNING).when(parse_iso(at)) for language in LANGUAGES]
    assert said == [de, en]


def test_a_message_is_in_the_customers_language_and_zone() -> None:
    """Austrian German is German; a language we do not speak becomes English; Singapore reads its own clock."""
    assert [language_of(customer(language=name)) for name in ("de", "de-AT", "DE_ch", "en-GB", "fr", "")] == [
        "de",
        "de",
        "de",
        "en",
        "en",
        "en",
    ]
    told = note(params={"onset": iso(NIGHT), "cause": "low_pressure", "model": "pump"})
    found = RENDERER.render(told, None, customer(language="en", time_zone="Asia/Singapore"), now=MORNING)
    assert "since 09:10 today" in found.text


def test_words_fall_back_and_wrong_ones_are_named(tmp_path: Path) -> None:
    """A cause with a suffix finds its first word; a cause nobody described is `other`; a wrong file is refused by name."""
    words = load_words()
    assert words.cause("anomaly.pressure", "de") == words.cause("anomaly", "de")
    assert words.cause("never_heard", "en") == words.cause("other", "en")
    assert Words().machine("pump", "de")["noun"] == "Gerät"
    (tmp_path / "causes.yaml").write_text("leak: {de: {noun: Leck}}", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"causes\.yaml"):
        load_words(tmp_path)


def test_every_cause_and_machine_has_words_in_both_languages() -> None:
    """No customer reads half a message in another language."""
    words = load_words()
    for table in (words.causes, words.machines):
        for name, languages in table.items():
            assert set(languages) == set(LANGUAGES), name


@pytest.mark.parametrize(
    ("noun", "name", "said"),
    [
        ("Pumpe", "Pumpe 7", "Pumpe 7"),
        ("Wärmepumpe", "Wärmepumpe", "Wärmepumpe"),
        ("Wärmepumpe", "Pumpe 7", "Wärmepumpe (Pumpe 7)"),
        ("printer", "Printer, floor 2", "printer (floor 2)"),
        ("Drucker", "Drucker 2. OG", "Drucker 2. OG"),
        ("Pumpe", "Pumpenhaus Nord", "Pumpe (Pumpenhaus Nord)"),
        ("Gerät", "", "Gerät"),
    ],
)
def test_a_machine_is_not_called_by_the_same_word_twice(noun: str, name: str, said: str) -> None:
    """Noun and name, as people would say them."""
    assert called(noun, name) == said
