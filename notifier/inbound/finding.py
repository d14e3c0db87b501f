"""Whose words these are and which case they are about, without asking: by the message they answer, by the code, by who wrote. Pure.

A From address can be written by anybody. So it is a reason to believe, never a proof: what changes anything needs an answer to a message of
ours besides, or the word of a system of the operator's.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from notifier.inbound.said import ACCOUNTS, Said

CODE: Final = re.compile(r"(?<![\d.,:/-])\d{4}(?![\d:/-]|[.,]\d)")
"""Four digits that are no part of a longer number, a time or a date."""
MAX_CODES: Final = 5
_MESSAGE: Final = re.compile(r"<(?P<name>[A-Za-z0-9._-]+)@(?P<domain>[^<>@\s]+)>")


class Proof(StrEnum):
    """Why somebody is believed to be the customer."""

    VOUCHED = "vouched"
    """A system of the operator's says so."""
    REPLY = "reply"
    """From the person's own address, in answer to a message that only they got."""
    ADDRESS = "address"
    """From the person's own address, and nothing else: enough to tell the person something at that address."""
    STRANGER = "stranger"
    """From another address."""
    NOBODY = "nobody"
    """Nobody knows who it is."""


PROVEN: Final = frozenset({Proof.VOUCHED, Proof.REPLY})
"""Enough to change something."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A message of ours, or a case that was told of."""

    customer: str
    """Key."""
    case: str
    device: str = ""
    notification: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """Whose it is, and what it is about; empty where nobody can tell."""

    proof: Proof
    customer: str = ""
    case: str = ""
    device: str = ""
    notification: str = ""


def named(refers: Sequence[str], domain: str) -> tuple[list[str], list[str]]:
    """Notifications and cases whose Message-IDs are named; an id that is no Message-ID is that of a notification."""
    notifications, cases = [], []
    for each in refers:
        found = _MESSAGE.fullmatch(each)
        if found is None:
            notifications.append(each)
        elif found["domain"].casefold() == domain.casefold():
            root, _, case = found["name"].partition("case.")
            if not root and case:
                cases.append(case)
            else:
                notifications.append(found["name"])
    return notifications, cases


def codes_in(text: str) -> list[str]:
    """What may be a code in a text."""
    return list(dict.fromkeys(CODE.findall(text)))[:MAX_CODES]


def find(
    said: Said, answered: Sequence[Sent], senders: Collection[str], open_cases: Mapping[str, Sequence[Sent]], coded: Collection[str]
) -> Found:
    """Whose words these are.

    Args:
        said: What came.
        answered: Messages of ours it answers, in order.
        senders: Customers whose address or number the sender has.
        open_cases: Open cases of those who may be meant, by customer.
        coded: Those of them whose code it names.
    """
    owners = list(dict.fromkeys(each.customer for each in answered))
    if said.vouched:
        about = [each for each in answered if each.customer == said.vouched]
        return _about(Proof.VOUCHED, said.vouched, about, open_cases.get(said.vouched, ()), coded)
    if len(owners) == 1:
        # The id of a case is known to partners and stands in what they write; that of a message only to who got it.
        got = any(each.notification for each in answered)
        proof = (Proof.REPLY if got else Proof.ADDRESS) if owners[0] in senders else Proof.STRANGER
        return _about(proof, owners[0], answered, open_cases.get(owners[0], ()), coded)
    if len(senders) == 1:
        customer = next(iter(senders))
        # An account is nobody else's, as long as the service that tells of it is honest; an address can be written by anybody.
        proof = Proof.REPLY if said.channel in ACCOUNTS else Proof.ADDRESS
        return _about(proof, customer, [], open_cases.get(customer, ()), coded)
    return _by_code(Proof.ADDRESS if senders else Proof.STRANGER, senders, open_cases, coded)


def _about(proof: Proof, customer: str, answered: Sequence[Sent], cases: Sequence[Sent], coded: Collection[str]) -> Found:
    """The case: the latest that is answered, else the one with the code, else the only one."""
    fits = [each for each in cases if each.case in coded]
    best = answered[-1] if answered else fits[0] if len(fits) == 1 else cases[0] if len(cases) == 1 else None
    if best is None:
        return Found(proof, customer)
    device = best.device or next((each.device for each in cases if each.case == best.case), "")
    return Found(proof, customer, best.case, device, best.notification)


def _by_code(proof: Proof, senders: Collection[str], open_cases: Mapping[str, Sequence[Sent]], coded: Collection[str]) -> Found:
    """Several may be meant, or nobody is known by that address: a code that fits exactly one of their cases tells which."""
    fits = [each for cases in open_cases.values() for each in cases if each.case in coded and (not senders or each.customer in senders)]
    if len(fits) == 1:
        return Found(proof, fits[0].customer, fits[0].case, fits[0].device)
    return Found(Proof.NOBODY)
