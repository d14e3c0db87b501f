"""What a customer wrote opens with the customer's key, and with nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vorab.sealing import KEY_BYTES, found_in, marked, new_key, opened, replaced, seal

KEY = new_key()


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_what_was_sealed_opens_again(text: str) -> None:
    """To the letter, also where there is none."""
    assert opened(KEY, "main/c-1", seal(KEY, "main/c-1", text)) == text


def test_without_its_key_it_is_gone() -> None:
    """A destroyed key, another one, and another customer open nothing."""
    sealed = seal(KEY, "main/c-1", "Der Drucker spinnt")
    assert opened(None, "main/c-1", sealed) is None
    assert opened(new_key(), "main/c-1", sealed) is None
    assert opened(KEY, "main/c-2", sealed) is None


@given(st.text(max_size=80))
def test_what_was_never_sealed_opens_to_nothing(text: str) -> None:
    """Anything may stand on a log."""
    assert opened(KEY, "main/c-1", text) is None


def test_the_same_words_look_different_each_time() -> None:
    """Nobody can tell from the log that somebody said the same again."""
    assert len(KEY) == KEY_BYTES
    assert seal(KEY, "main/c-1", "yes") != seal(KEY, "main/c-1", "yes")


def test_half_a_character_does_not_lose_the_rest() -> None:
    """It becomes a question mark."""
    assert opened(KEY, "main/c-1", seal(KEY, "main/c-1", "a\ud800b")) == "a?b"


def test_sealed_words_stand_within_other_text_and_are_found_again() -> None:
    """Whatever stands around them; what nobody can open is said to be so."""
    key = new_key()
    one, other = seal(key, "main/c-1", ""), seal(key, "main/c-1", "it is loud")
    text = f"agent: {marked(one)}; refused: note, because the case is closed; {marked(other)}"
    assert found_in(text) == [one, other]
    assert replaced(text, {other: "it is loud"}, "…") == "agent: …; refused: note, because the case is closed; it is loud"
    assert (marked(""), found_in("sealed: for good"), replaced("sealed: for good", {}, "…")) == ("", [], "sealed: for good")
