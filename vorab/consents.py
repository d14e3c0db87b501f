"""The ledger of consents: what a changed entry of the registry means for it, and the words people agreed to, in every version there was."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

from vorab import ids
from vorab.clock import Micros
from vorab.records import Consent, ConsentBy, ConsentTo, Customer, Purpose, Request, RequestKind

TEXTS: Final[Mapping[str, str]] = {
    "remote-repair-1.de": "Wir können {the} {noun} aus der Ferne neu starten. {It} steht dabei rund zwei Minuten still. Einverstanden?",
    "remote-repair-1.en": "We can restart the {noun} remotely. It will stop for about two minutes. Is that all right?",
}
"""Never changed and never taken out: somebody agreed to them. Other words are another version, added here and named below."""

REMOTE_REPAIR: Final[Mapping[str, str]] = {"de": "remote-repair-1.de", "en": "remote-repair-1.en"}
"""The words in use, by language."""

ANSWERS: Final[Mapping[RequestKind, bool]] = {RequestKind.CONSENT: True, RequestKind.NO_CONSENT: False}


def version(name: str) -> str:
    """A text with what its words are, so that nobody can say they were others: `remote-repair-1.de@1f2e3d4c5b6a`."""
    return f"{name}@{hashlib.sha256(TEXTS[name].encode()).hexdigest()[:12]}"


def words_of(text: str) -> str:
    """The words of a version; empty where they are not ours."""
    name = text.partition("@")[0]
    return TEXTS[name] if name in TEXTS and version(name) == text else ""


def consent_json(consent: Consent) -> dict[str, Any]:
    """An entry of the ledger with the words that were agreed to, for people and other systems."""
    said = consent.model_dump(mode="json", exclude={"id", "because"})
    return {name: value for name, value in said.items() if value != ""} | ({"words": words} if (words := words_of(consent.text)) else {})


def answered(request: Request, way: ConsentBy, language: str) -> list[Consent]:
    """What a customer said to remote repair, for one case; nothing where they said something else."""
    if request.kind not in ANSWERS:
        return []
    return [
        Consent(
            id=ids.consent_id(request.key, ConsentTo.REMOTE_REPAIR, request.id), tenant=request.tenant, customer=request.customer,
            purpose=ConsentTo.REMOTE_REPAIR, given=ANSWERS[request.kind], way=way, text=version(REMOTE_REPAIR[language]),
            case=request.case, device=request.device, because=request.id, at=request.at,
        )
    ]  # fmt: skip


def withdrawn(customer: Customer, purposes: Iterable[Purpose], at: Micros) -> Customer:
    """The registry's entry after its customer no longer wants messages for these purposes: their own word, whatever layer spoke before."""
    own = customer.own if customer.own is None else tuple(dict.fromkeys((*customer.own, "purposes")))
    return customer.model_copy(update={"purposes": customer.purposes | dict.fromkeys(purposes, False), "own": own, "at": at})


def changed(before: Customer | None, after: Customer, way: ConsentBy, *, by: str = "", text: str = "") -> list[Consent]:
    """What an entry says about consents that the one it replaces did not; what is only a default was said by nobody."""
    old, new = _said(before), _said(after)
    return [
        Consent(
            id=ids.consent_id(after.key, purpose, f"{after.at} {given}"), tenant=after.tenant, customer=after.customer,
            purpose=purpose, given=given, way=way, text=text, by=by, at=after.at,
        )
        for purpose, given in _moved(old, new)
    ]  # fmt: skip


def _moved(old: Mapping[ConsentTo, bool], new: Mapping[ConsentTo, bool]) -> Iterable[tuple[ConsentTo, bool]]:
    for purpose in ConsentTo:
        if purpose in new and old.get(purpose) is not new[purpose]:
            yield purpose, new[purpose]
        elif old.get(purpose) and purpose not in new:
            yield purpose, False  # what is not said any more does not hold any more


def _said(customer: Customer | None) -> Mapping[ConsentTo, bool]:
    if customer is None or not (customer.own is None or "purposes" in customer.own):
        return {}
    return {ConsentTo(purpose.value): given for purpose, given in customer.purposes.items()}
