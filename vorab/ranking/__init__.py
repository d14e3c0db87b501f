"""What helps in such a case, learned from what helped before: counts rebuilt from the log at any time, and proposals that say why.

`book` folds case events and verdicts into counts, `propose` draws from them, `beta` is the arithmetic in between. All pure: no clock, no
randomness but the case's own id. `docs/knowledge.md` says how it works, and where the ideas come from.
"""

from __future__ import annotations

from vorab.ranking.book import Book
from vorab.ranking.counts import ARTICLE, REMEDY, RULE, Tally
from vorab.ranking.propose import Learner, Proposal, propose

__all__ = ["ARTICLE", "REMEDY", "RULE", "Book", "Learner", "Proposal", "Tally", "propose"]
