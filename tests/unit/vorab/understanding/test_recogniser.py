"""What replies mean: who answers, what is never the bot's, and corrections that leave no trace when they are taken back."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vorab.understanding import Example, Flag, Intent, Recogniser, Route, Understood, recogniser

KINDS = [
    ("Was ist mit meiner Pumpe los?", Intent.STATUS),
    ("Please call me at five", Intent.CALL_ME),
    ("Bitte keine Nachrichten mehr", Intent.STOP),
    ("Ja, bitte machen Sie das", Intent.CONSENT_YES),
    ("No thanks, not now", Intent.CONSENT_NO),
    ("Läuft wieder, danke!", Intent.WORKS_AGAIN),
    ("still not workng", Intent.STILL_BROKEN),
    ("Das war ein Fehlalarm", Intent.WAS_WRONG),
    ("zu spät, wusste ich schon", Intent.TOO_LATE),
    ("Vielen Dank", Intent.THANKS),
    ("What does the red light mean?", Intent.QUESTION),
    ("Termin bitte verschieben", Intent.MOVE),
    ("Please order the part", Intent.ORDER),
]
FLAGGED = [
    ("Wer zahlt das?", Flag.MONEY),
    ("Refund please", Flag.MONEY),
    ("Mein Anwalt meldet sich", Flag.LAW),
    ("GDPR request", Flag.LAW),
    ("Danke für nichts", Flag.ANGER),
    ("you lot are a disgrace", Flag.ANGER),
    ("Ich habe schon dreimal angerufen", Flag.REPEATED),
    ("this is the third time I am writing", Flag.REPEATED),
]
DANGER = [
    "Es riecht nach Gas",
    "smoke from the printer",
    "Der Keller steht unter Wasser",
    "my mother's ventilator is on it",
    "Läuft wieder, aber es qualmt",
]


def said(text: str) -> Understood:
    """What a text is taken for."""
    return recogniser().understand(text)


@pytest.mark.parametrize(("text", "intent"), KINDS)
def test_each_intent_is_the_bots(text: str, intent: Intent) -> None:
    """A plain wish in plain words is answered by itself, and says which words decided."""
    found = said(text)

    assert (found.intent, found.route, found.flags) == (intent, Route.BOT, ())
    assert found.why


@pytest.mark.parametrize(("text", "flag"), FLAGGED)
def test_a_flag_is_a_persons(text: str, flag: Flag) -> None:
    """Money, law, anger and second attempts are not for a machine."""
    assert flag in said(text).flags
    assert said(text).route is Route.HUMAN


@pytest.mark.parametrize("text", DANGER)
def test_danger_is_a_persons(text: str) -> None:
    """Whatever else was said."""
    assert said(text).route is Route.HUMAN


@pytest.mark.parametrize("word", ["Mensch", "mensch", "MENSCH", "Menschen", "human", "Human", "person", "a person", "Person"])
@pytest.mark.parametrize("around", ["{}", "{} bitte", "ja, {}!", "Bitte bestellen, aber mit einem {}", "stop. {}", "thanks {}"])
def test_who_says_person_gets_one(word: str, around: str) -> None:
    """Always, in whatever else it stands."""
    found = said(around.format(word))

    assert (found.intent, found.route) == (Intent.HUMAN, Route.HUMAN)


@pytest.mark.parametrize("text", ["", " \n ", "> only a quote", "🙃", "?", "asdf qwer zxcv", "Nie rozumiem, proszę po polsku", "12345"])
def test_what_is_not_understood_is_a_persons(text: str) -> None:
    """There is no second "I did not understand"."""
    assert said(text).route is Route.HUMAN


@settings(max_examples=200)
@given(st.text(max_size=2_000), st.sampled_from([text for text, _ in [*KINDS, *FLAGGED]]))
def test_any_text_is_taken_for_something(noise: str, words: str) -> None:
    """Never an error; a flag, a wish for a person and whatever else is never the bot's; the same text is always taken for the same."""
    for text in (noise, f"{noise}\n{words}", f"{words} {noise}"):
        found = said(text)

        assert found.route is Route.HUMAN or (not found.flags and found.intent not in {Intent.HUMAN, Intent.OTHER})
        assert 0 <= found.confidence <= 1
        assert found == said(text)


@pytest.mark.parametrize(
    "text", ["a" * 100_000, "ja " * 33_000, "\n".join(["wer zahlt"] * 10_000), "😡" * 25_000, "> x\n" * 25_000, "am on " * 16_000]
)
def test_a_huge_text_costs_no_more_than_a_long_one(text: str) -> None:
    """Words beyond the cap are not read: what follows changes nothing."""
    assert said(text) == said(text + " stop anwalt")


def test_a_quote_decides_nothing() -> None:
    """Our own words come back below the answer; they are not the customer's."""
    assert (
        said("Ja bitte\n\nAm Di., 12.11. um 08:14 schrieb Service:\n> Fragen zur Rechnung? Schreiben Sie STOP.").intent
        is Intent.CONSENT_YES
    )


def test_a_wished_time_comes_with_calls_and_moves_only() -> None:
    """A time in a status question is no wish."""
    assert recogniser().understand("Please call me at five", "en", 1_764_000_000_000_000, "Europe/Berlin").wished
    assert recogniser().understand("Was ist um fünf passiert?", "de", 1_764_000_000_000_000, "Europe/Berlin").wished is None


CORRECTIONS = [
    Example("Schieb an, Meister", "de", Intent.CONSENT_YES),
    Example("bring the lad round to us", "en", Intent.CALL_ME),
    Example("Das Ding hustet wieder wie früher, herrlich", "de", Intent.WORKS_AGAIN),
    Example("nettes Spielzeug habt ihr da", "de", Intent.OTHER, (Flag.ANGER,), Route.HUMAN),
]


def state(how: Recogniser) -> tuple[bytes, bytes]:
    """All that a recogniser has learned, to the byte."""
    return how.dump(), how.weights.tobytes()


def test_a_correction_counts_for_the_next_reply() -> None:
    """One click, and the same words, differently spelt, are taken as the agent said."""
    for example in CORRECTIONS:
        found = recogniser().learn(example).understand(example.text.upper() + "!")
        assert (found.intent, found.route) == (example.intent, example.route)


def test_what_is_forgotten_leaves_no_trace() -> None:
    """Learned and forgotten, in any order: the same bytes."""
    shipped = recogniser()
    for order in itertools.permutations(CORRECTIONS):
        how = shipped
        for example in order:
            how = how.learn(example)
        for example in order[:2]:
            how = how.forget(example)
        assert state(how) == state(shipped.taught(order[2:]))
        assert state(how.reset()) == state(shipped)


def test_a_model_that_keeps_learning_on_top_is_caught() -> None:
    """Known bad: who adds to the weights in the order of the clicks cannot take a click back."""
    one, other = recogniser().learn(CORRECTIONS[0]), Example("Schieb an, Meisterin", "de", Intent.CONSENT_NO)
    on_top = Recogniser(one._trained._replace(weights=one.weights), [other])

    assert state(on_top)[1] != state(one.learn(other))[1]
    assert state(on_top.forget(other))[1] != state(recogniser())[1]


def test_corrections_are_taken_over() -> None:
    """What was dumped is learned again to the byte, and learning twice is learning once."""
    how = recogniser().taught(CORRECTIONS)

    assert state(recogniser().load(how.dump())) == state(how) == state(how.learn(CORRECTIONS[0]))


def test_the_later_correction_of_the_same_words_counts() -> None:
    """An agent may change their mind."""
    example = CORRECTIONS[0]
    how = recogniser().learn(example).learn(example._replace(intent=Intent.CONSENT_NO))

    assert [each.intent for each in how.corrections] == [Intent.CONSENT_NO]


def test_no_correction_takes_a_person_from_who_asks_for_one() -> None:
    """The word stands above what was learned."""
    how = recogniser().learn(Example("Mensch bitte", "de", Intent.THANKS))

    assert how.understand("Mensch bitte").route is Route.HUMAN


@pytest.mark.parametrize("text", ["Wer zahlt das?", "Mein Anwalt meldet sich"])
def test_a_recogniser_without_its_bars_is_caught(text: str) -> None:
    """Known bad: where neither lexicon nor chance sets a flag, the bot would answer a lawyer."""
    careless = _Careless(recogniser()._trained)

    assert careless.understand(text).flags == ()
    assert said(text).flags


class _Careless(Recogniser):
    def _flags(self, whole: object, parts: object) -> tuple[list[Flag], list[str]]:  # noqa: ARG002
        return [], []
