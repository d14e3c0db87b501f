"""Full-text search over articles, in German or English: SQLite's FTS5 in memory, ranked by bm25, with diacritics folded.

Words are found by how they begin, and a little less well by how they begin without their ending, so `pumps` finds *Pumpe*. Where a
word begins nothing, any place inside a word will do, which is how *mittel* is found in *Kältemittel*. `ä` is found as `a` and as
`ae`, `ß` as `ss`.
"""

from __future__ import annotations

import re
import sqlite3
import threading
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from vorab.errors import ConfigError
from vorab.knowledge.article import Article

WEIGHTS: Final = (10.0, 4.0, 3.0, 1.0)
"""What a hit counts in title and search words, in what the customer is told, in causes, models and the part, and in the rest."""
TOKENIZERS: Final = {"words": "unicode61 remove_diacritics 2", "inside": "trigram"}
"""One index of whole words, one of three letters each, for parts of words."""
MAX_WORDS: Final = 12
SHORTEST: Final = 3
"""Letters a word needs to be looked for inside others."""
STEM: Final = 0.3
INSIDE: Final = 0.1
"""What hits count of a word without its ending, and inside other words: a *Drucker* is no *Druck*."""

_ENDING: Final = re.compile(r"(?<=[a-zäöüß]{4})(?:ungen|ung|ing|ern|en|er|es|em|ed|et|e|n|s|t)$")
_WORD: Final = re.compile(r"[^\W_]+(?:-[^\W_]+)*")
_SPELT: Final = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})

# Words that say nothing in either language: with them, every article is about everything.
_EMPTY: Final = frozenset(
    [
        "a",
        "after",
        "an",
        "and",
        "are",
        "at",
        "be",
        "by",
        "can",
        "do",
        "does",
        "for",
        "from",
        "has",
        "have",
        "how",
        "i",
        "in",
        "is",
        "it",
        "its",
        "no",
        "not",
        "of",
        "on",
        "or",
        "s",
        "since",
        "the",
        "there",
        "this",
        "to",
        "too",
        "was",
        "we",
        "what",
        "when",
        "why",
        "with",
        "am",
        "auf",
        "aus",
        "bei",
        "da",
        "das",
        "dem",
        "den",
        "der",
        "des",
        "die",
        "doch",
        "ein",
        "eine",
        "einem",
        "einen",
        "einer",
        "er",
        "es",
        "geht",
        "habe",
        "hat",
        "ich",
        "im",
        "ist",
        "keine",
        "kein",
        "mit",
        "nach",
        "nicht",
        "noch",
        "nur",
        "oder",
        "seit",
        "sich",
        "sie",
        "sind",
        "so",
        "und",
        "vom",
        "von",
        "was",
        "wie",
        "wird",
        "wir",
        "zu",
        "zum",
        "zur",
    ]
)


class Found(NamedTuple):
    """An article, and how well it fits: the lower the better, as bm25 has it."""

    article: Article
    score: float


class Library:
    """The articles, ready to be asked; from any thread.

    Raises:
        ConfigError: this Python's SQLite comes without full-text search.
    """

    def __init__(self, articles: Sequence[Article]) -> None:
        self.articles = {article.id: article for article in articles}
        self._lock = threading.Lock()
        self._db = sqlite3.connect(":memory:", check_same_thread=False)
        try:
            for name, tokenize in TOKENIZERS.items():
                self._db.execute(f"CREATE VIRTUAL TABLE {name} USING fts5(id UNINDEXED, a, b, c, d, tokenize = '{tokenize}')")
        except sqlite3.OperationalError as error:
            raise ConfigError(f"SQLite {sqlite3.sqlite_version} cannot search: {error}", hint="3.34 or newer, with FTS5") from None
        for article in articles:
            texts = [_spelt(text) for text in _texts(article)]
            for name in TOKENIZERS:
                self._db.execute(f"INSERT INTO {name} VALUES (?, ?, ?, ?, ?)", [article.id, *texts])  # noqa: S608 - names of ours

    def about(self, model: str, cause: str) -> list[Article]:
        """Those about such a case, in the order of their ids."""
        return [article for _, article in sorted(self.articles.items()) if article.about(model, cause)]

    def search(self, query: str, *, model: str = "", cause: str = "", limit: int = 10) -> list[Found]:
        """What fits a question best, first; with a model or a cause only what is about it. Nothing asked, nothing found."""
        words = list(_asked(query))
        if not words:
            return []
        found: dict[str, float] = {}
        with self._lock:
            for word in words:
                for name, score in self._best(word).items():
                    found[name] = found.get(name, 0.0) + score
        fitting = [Found(self.articles[name], score) for name, score in found.items() if _fits(self.articles[name], model, cause)]
        return sorted(fitting, key=lambda each: (each.score, each.article.id))[:limit]

    def _best(self, word: str) -> dict[str, float]:
        """Articles with a word, each with its best score."""
        hits = self._hits("words", f'"{word}"*')
        for name, score in self._hits("words", f'"{_ENDING.sub("", word)}"*').items():
            hits[name] = min(hits.get(name, 0.0), STEM * score)
        if not hits and len(word) >= SHORTEST:
            hits = {name: INSIDE * score for name, score in self._hits("inside", f'"{word}"').items()}
        return hits

    def _hits(self, table: str, match: str) -> dict[str, float]:
        query = f"SELECT id, bm25({table}, 0, {', '.join(map(str, WEIGHTS))}) FROM {table} WHERE {table} MATCH ?"  # noqa: S608 - names of ours
        return dict(self._db.execute(query, [match]).fetchall())

    def close(self) -> None:
        """Let go."""
        self._db.close()


def _fits(article: Article, model: str, cause: str) -> bool:
    return article.about(model or article.models[0], cause or article.causes[0])


def _texts(article: Article) -> tuple[str, str, str, str]:
    told = f"{article.customer.en} {article.customer.de} {article.prevention.en} {article.prevention.de}"
    named = " ".join((*article.causes, *article.models, article.remedy, article.part)).replace("_", " ")
    return " ".join((article.title.en, article.title.de, *article.words)), told, named, article.body


def _spelt(text: str) -> str:
    """The text, and once more the words that can be spelt without umlauts."""
    text = unicodedata.normalize("NFC", text)
    others = [spelt for word in _WORD.findall(text.lower()) if (spelt := word.translate(_SPELT)) != word]
    return " ".join((text, *others))


def _asked(query: str) -> Iterator[str]:
    """The words of a question, without those that say nothing."""
    words = [word.replace("ß", "ss") for word in _WORD.findall(unicodedata.normalize("NFC", query).lower().replace("_", " "))]
    yield from ([word for word in words if word not in _EMPTY] or words)[:MAX_WORDS]
