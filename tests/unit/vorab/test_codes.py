"""Four digits that only we can know of a case, and everybody of ours says the same."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vorab.codes import Codes, code_of

SECRET = "0123456789abcdef0123"


@given(st.text())
def test_a_code_is_four_digits_and_stays_the_same(case: str) -> None:
    """Whoever asks, and however often: mail, letter and display say one thing."""
    code = code_of(SECRET, case)
    assert len(code) == 4
    assert code.isascii()
    assert code.isdecimal()
    assert code == code_of(SECRET, case) == Codes(SECRET).of(case)


def test_codes_are_spread_evenly() -> None:
    """Guessing right is one in ten thousand: no digit is preferred at any place, leading noughts included."""
    codes = [code_of(SECRET, f"case-{n}") for n in range(20_000)]
    for place in range(4):
        counts = Counter(code[place] for code in codes)
        assert len(counts) == 10
        # 2,000 each are expected, with a standard deviation of 42.
        assert all(abs(count - 2_000) < 6 * 42 for count in counts.values())


def test_another_secret_makes_other_codes() -> None:
    """Who does not hold the secret cannot work codes out of case ids."""
    same = sum(code_of(SECRET, f"case-{n}") == code_of(SECRET[::-1], f"case-{n}") for n in range(1_000))
    assert same < 5


def test_a_code_without_the_secret_is_caught() -> None:
    """Known bad: digits of the case id alone would be the same in every installation."""

    def careless(_secret: str, case: str) -> str:
        return f"{sum(case.encode()) % 10_000:04d}"

    assert careless(SECRET, "case-1") == careless(SECRET[::-1], "case-1")
    assert code_of(SECRET, "case-1") != code_of(SECRET[::-1], "case-1")


def test_a_weak_secret_makes_no_code_and_none_is_shown() -> None:
    """Without a secret nothing is said; a short one is refused; the secret is in no picture of the object."""
    assert Codes().of("case-1") == ""
    with pytest.raises(ValueError, match="16 characters"):
        code_of("short", "case-1")
    assert SECRET not in repr(Codes(SECRET))
