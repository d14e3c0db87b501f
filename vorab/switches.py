"""The kill switches of remedies as people throw them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from vorab import ids
from vorab.clock import Micros, iso
from vorab.records import Switch, SwitchState
from vorab.topics import key_of


def switched(remedy: str, state: SwitchState, by: str, why: str, now: Micros, *, tenant: str, nonce: str) -> Switch:
    """The word that stops or releases a remedy; the same nonce is the same word."""
    name = ids.switch_id(key_of(tenant, remedy), state, nonce)
    return Switch(id=name, tenant=tenant, remedy=remedy, state=state, at=now, by=by, detail=why)


def latest(said: Iterable[Switch]) -> dict[str, Switch]:
    """What was said last of each remedy (`tenant/remedy`), of all that was said in the order of the log."""
    return {each.key: each for each in said}


def row(remedy: str, tenant: str, said: Switch | None) -> dict[str, Any]:
    """A remedy as one object of a list: whether it is stopped, and who said that, when and why."""
    stopped = said is not None and said.state is SwitchState.STOPPED
    found: dict[str, Any] = {"remedy": remedy, "tenant": tenant, "stopped": stopped}
    return found | ({"by": said.by, "since": iso(said.at), "why": said.detail} if said is not None else {})


def rows(names: Iterable[str], said: Mapping[str, Switch], tenant: str) -> list[dict[str, Any]]:
    """The remedies of a tenant that have these names, and all others that were ever switched, in order of name."""
    keys = {key_of(tenant, name) for name in names} | said.keys()
    return [row(key.partition("/")[2], key.partition("/")[0], said.get(key)) for key in sorted(keys)]
