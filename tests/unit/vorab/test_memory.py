"""What a worker asks of the C library."""

from __future__ import annotations

import ctypes
import gc

import pytest

from vorab.memory import YOUNG, give_back_large, keep_what_is_loaded


def test_the_c_library_is_asked_once_and_may_be_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual library takes the setting; one that does not know it is no mistake."""
    assert give_back_large() == hasattr(ctypes.CDLL(None), "mallopt")
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: object())
    assert not give_back_large()


def test_what_was_loaded_is_not_looked_at_again() -> None:
    """The collector's generations are empty afterwards; what is made later is collected as ever."""
    before = gc.get_threshold()
    try:
        keep_what_is_loaded()
        assert gc.get_freeze_count() > 1_000
        assert gc.get_threshold()[0] == YOUNG
        circle: list[object] = []
        circle.append(circle)
        del circle
        assert gc.collect() >= 1
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
