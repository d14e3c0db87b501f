"""What people write about, by the care file: for the desk, which seals their words and says beside them what matters to who acts."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from vorab.settings import Settings

if TYPE_CHECKING:
    from streams.care.policy import Care


def hears_on(settings: Settings) -> Callable[[str], Sequence[str]]:
    """Text to topics of the care file, which is read when somebody first writes something."""

    @functools.cache
    def care() -> Care:
        from streams.care.files import load_care

        return load_care(settings.streams.care)

    def hears(text: str) -> Sequence[str]:
        from streams.care.words import heard

        return sorted(heard(text, care().words, care().negations)) if care().listens else []

    return hears
