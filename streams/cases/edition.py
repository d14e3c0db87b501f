"""Which wording of policy decides, as a short hash: it stands beside every fact, and tells later whether the same is still in force."""

from __future__ import annotations

import hashlib

from streams.care.policy import Care
from streams.cases.policy import Policy


def edition(policy: Policy, care: Care | None = None) -> str:
    """The same for the same remedies, lines, care and words, in whatever process and however their files are laid out."""
    return hashlib.blake2b(repr((policy, care)).encode(), digest_size=6).hexdigest()
