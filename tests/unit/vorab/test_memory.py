"""What a worker asks of the C library."""

from __future__ import annotations

import ctypes

import pytest

from vorab.memory import give_back_large


def test_the_c_library_is_asked_once_and_may_be_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual library takes the setting; one that does not know it is no mistake."""
    assert give_back_large() == hasattr(ctypes.CDLL(None), "mallopt")
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: object())
    assert not give_back_large()
