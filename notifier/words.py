"""The words of messages; they live in `vorab.words`, because the customer page says the same things."""

from __future__ import annotations

from vorab.words import FALLBACK, LANGUAGES, LOCALES, Times, Words, knowledge_folder, load_words

__all__ = ["FALLBACK", "LANGUAGES", "LOCALES", "Times", "Words", "knowledge_folder", "load_words"]
