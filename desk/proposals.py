"""What helped in cases like this one, and what people think of the rule that found it: for the case page and for the API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from desk.queries import CaseFile, Queries
from vorab import topics
from vorab.clock import DAY, Micros
from vorab.knowledge import Article, Library
from vorab.knowledge.article import HAND
from vorab.ranking import ARTICLE, REMEDY, RULE, Book, Proposal, propose
from vorab.ranking.book import CASE, OF_CAUSE, OF_RULE
from vorab.records import CommandKind, Status, SymptomState

SHOWN: Final = 3
"""Proposals a person looks at before acting."""
AGENT: Final = "agent"
MAX_ABOUT: Final = 255

VERDICTS: Final[Mapping[CommandKind, str]] = {
    CommandKind.RIGHT: "Solved it",
    CommandKind.USEFUL: "Helped",
    CommandKind.WRONG: "Did not help",
}
"""What an agent can say about something that was tried."""
OF_A_RULE: Final[Mapping[CommandKind, str]] = {
    CommandKind.RIGHT: "Was right",
    CommandKind.WRONG: "Was wrong",
    CommandKind.TOO_LATE: "Came too late",
}
"""What an agent can say about the rule that fired."""
COUNTED: Final[Mapping[CommandKind, str]] = {
    CommandKind.RIGHT: "right",
    CommandKind.USEFUL: "useful",
    CommandKind.WRONG: "wrong",
    CommandKind.FALSE_ALARM: "wrong, by the customer",
    CommandKind.TOO_LATE: "too late",
}
HERE: Final = {None: "under way here", 0: "did not help here", 1: "helped here", 2: "solved it here"}
OVER: Final = frozenset({Status.CANCELLED, Status.REJECTED})


@dataclass(frozen=True, slots=True)
class Offer:
    """Something to try, as a person reads it."""

    about: str
    name: str
    reason: str
    proposal: Proposal
    article: Article | None
    said: CommandKind | None
    """The agent's verdict in this case, if there is one."""

    def json(self) -> dict[str, Any]:
        """For the API."""
        told = self.proposal
        return {
            "about": self.about,
            "name": self.name,
            "reason": self.reason,
            "expected": round(told.expected, 3),
            "exploring": told.exploring,
            "tried": told.tried,
            "solved": told.solved,
            "by_hand": told.by_hand,
            "pending": told.pending,
            "article": self.article.id if self.article else None,
            "verdict": self.said.value if self.said else None,
        }


@dataclass(frozen=True, slots=True)
class Fired:
    """A rule that fired, and what people said about it in all its cases."""

    about: str
    rule: str
    counts: Mapping[CommandKind, int]
    said: CommandKind | None

    @property
    def text(self) -> str:
        """`12 right, 1 wrong`."""
        return ", ".join(f"{self.counts[kind]} {COUNTED[kind]}" for kind in COUNTED if self.counts.get(kind)) or "nobody said anything yet"

    def json(self) -> dict[str, Any]:
        """For the API."""
        counts = {kind.value: number for kind, number in self.counts.items()}
        return {"about": self.about, "rule": self.rule, "verdicts": counts, "verdict": self.said.value if self.said else None}


@dataclass(frozen=True, slots=True)
class Help:
    """All of it."""

    offers: Sequence[Offer]
    rules: Sequence[Fired]
    articles: Sequence[Article]
    """About such a case, beyond those that are proposed."""

    def json(self) -> dict[str, Any]:
        """For the API."""
        return {
            "proposals": [offer.json() for offer in self.offers],
            "rules": [rule.json() for rule in self.rules],
            "articles": [
                *(offer.article.plain() for offer in self.offers if offer.article),
                *(article.plain() for article in self.articles),
            ],
        }


def rules_of(file: CaseFile) -> list[str]:
    """The rules that found a case, in their versions: `pressure-low@1f2e`."""
    raised = (symptom for symptom in file.symptoms if symptom.state is SymptomState.RAISED)
    return list(dict.fromkeys(f"{symptom.rule}@{symptom.rule_version}"[: MAX_ABOUT - len(RULE)] for symptom in raised))


def about_of(file: CaseFile) -> str:
    """What a customer's verdict is about: the rule that found it first."""
    return next((RULE + rule for rule in rules_of(file)), "")


def help_of(queries: Queries, library: Library, file: CaseFile, now: Micros) -> Help:
    """The best proposals with their reasons, the rules with what was said about them, and the articles, as of `now` (µs)."""
    last, rules = file.last, rules_of(file)
    names = [
        CASE + file.case,
        OF_CAUSE + topics.key_of(last.tenant, last.cause),
        *(OF_RULE + topics.key_of(last.tenant, rule) for rule in rules),
    ]
    book = queries.book(names)
    said = {about: by.get(AGENT) for about, by in book.said(file.case).items()}
    articles = library.about(last.model, last.cause)
    offers = [] if last.status in OVER else _offers(book, library, file, articles, said, now)
    fired = [Fired(RULE + rule, rule, book.verdicts(last.tenant, rule), said.get(RULE + rule)) for rule in rules]
    shown = {offer.article.id for offer in offers if offer.article}
    return Help(offers, fired, [article for article in articles if article.id not in shown])


def _offers(
    book: Book, library: Library, file: CaseFile, articles: Sequence[Article], said: Mapping[str, CommandKind | None], now: Micros
) -> list[Offer]:
    last = file.last
    explained: dict[str, Article] = {}
    for article in articles:
        explained.setdefault(ARTICLE + article.id if article.remedy == HAND else REMEDY + article.remedy, article)
    counts, here = book.of(last.tenant, last.cause), book.tried(file.case)
    known = {thing for thing in counts.things() if thing.startswith(REMEDY) or thing.removeprefix(ARTICLE) in library.articles}
    found = propose(counts, file.case, last.model, {*explained, *known}, now // DAY)
    fresh = [each for each in found if each.thing not in here][:SHOWN]
    tried = [each for each in found if each.thing in here]  # a person may still say something about it
    return [_offer(each, explained.get(each.thing), library, here, said) for each in (*fresh, *tried)]


def _offer(
    proposal: Proposal,
    article: Article | None,
    library: Library,
    here: Mapping[str, int | None],
    said: Mapping[str, CommandKind | None],
) -> Offer:
    thing = proposal.thing
    article = article or library.articles.get(thing.removeprefix(ARTICLE))
    name = article.title.en if article else thing.removeprefix(REMEDY).replace("_", " ").capitalize()
    reason = proposal.reason()
    if thing in here:
        reason = f"{HERE[here[thing]]}; {reason}"
    return Offer(thing, name, reason, proposal, article, said.get(thing))


def verdict_words(about: str, name: str, kind: CommandKind) -> str:
    """How a verdict is noted on the case: `“Restart a pump”: solved it`."""
    said = (OF_A_RULE if about.startswith(RULE) else VERDICTS).get(kind, kind.value.replace("_", " "))
    return f"“{name}”: {said[0].lower()}{said[1:]}"


def judged(found: Help, about: str) -> str | None:
    """What a verdict names, if it is about something of this case; None where it is not."""
    names = {offer.about: offer.name for offer in found.offers} | {rule.about: rule.rule for rule in found.rules}
    names |= {ARTICLE + article.id: article.title.en for article in found.articles}
    return names.get(about)
