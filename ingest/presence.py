"""Who is there: status messages (last will, birth, goodbye, stored state) as presence records. Pure."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from ingest.decoders.strict import parse
from ingest.topicmap import Route
from vorab import ids
from vorab.clock import Micros
from vorab.errors import Reason, Rejected
from vorab.records import Presence
from vorab.topics import key_of

_ONLINE: Final = {"online": True, "true": True, "1": True, "offline": False, "false": False, "0": False}
_GOODBYES: Final = frozenset({"goodbye", "shutdown", "sleep"})
_REMEMBERED: Final = 200_000


def evidence(payload: bytes) -> tuple[bool, str]:
    """Whether a status message says online, and what it is evidence of: `birth`, `goodbye` or `will`.

    Plain words (`online`, `Offline`, `true`) or JSON `{"status": "online"}`; a device that leaves in order may add `"reason": "goodbye"`.
    An offline without a reason counts as the will: the broker said it, not the device.

    Raises:
        Rejected: anything else.
    """
    if len(payload) > 4096:
        raise Rejected(Reason.TOO_LARGE, f"{len(payload)} bytes of status")
    word, reason = payload.decode("utf-8", "replace").strip(), ""
    if word.startswith("{"):
        body = parse(payload)
        word, reason = str(body.get("status")), str(body.get("reason"))
    if not word:
        raise Rejected(Reason.EMPTY, "no status")
    online = _ONLINE.get(word.lower())
    if online is None:
        raise Rejected(Reason.BAD_VALUE, "the status is neither online nor offline")
    if online:
        return True, "birth"
    return False, "goodbye" if reason in _GOODBYES else "will"


class PresenceBook:
    """What is known of each device, so that what the broker stored is told once."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, bool] = OrderedDict()

    def heard(self, route: Route, payload: bytes, received_at: Micros, *, retained: bool) -> Presence | None:
        """The record of a status message; None for a stored one that says nothing new. Raises Rejected."""
        if retained and not payload:
            return None
        online, why = evidence(payload)
        return self.said(route.tenant, route.device, received_at, online=online, evidence="retained" if retained else why)

    def said(self, tenant: str, device: str, received_at: Micros, *, online: bool, evidence: str) -> Presence | None:
        """The record of a word about a device; None where it is `retained` and says nothing new."""
        key = key_of(tenant, device)
        if evidence == "retained" and self._known.get(key) == online:
            return None
        self._known[key] = online
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return Presence(
            id=ids.presence_id(key, received_at, online=online),
            tenant=tenant,
            device=device,
            online=online,
            evidence=evidence,
            at=received_at,
        )
