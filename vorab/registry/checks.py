"""An entry from plain values, with everything that is wrong about it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from pydantic import ValidationError

from vorab.clock import Micros
from vorab.records import Channel, Contract, Customer, Device, Limit, Purpose, QuietDay, Record, Site
from vorab.registry.texts import finite, is_time_of_day, is_zone, mapping, truth, words
from vorab.topics import DEFAULT_TENANT, ID, key_of
from vorab.words import LANGUAGES

ID_HINT: Final = "letters, digits and . _ : ~ -, the first a letter or digit, at most 128"
YES_HINT: Final = "yes or no; leave it out where nobody was asked"
ZONE_HINT: Final = "as the time zone database names it: Europe/Berlin"
SAID: Final = ("language", "time_zone", "channels", "purposes", "quiet_from", "quiet_until", "tell_healed")
"""Fields of a customer whose default is not the customer's word."""
_REGION: Final = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?")


class Wrong(NamedTuple):
    """One mistake."""

    key: str
    what: str
    hint: str
    """What would be right."""


Made = TypeVar("Made", bound=Record)
Found = dict[str, Any]
Mistakes = list[Wrong]


def device(values: Mapping[str, Any], at: Micros) -> tuple[Device | None, Mistakes]:
    """A device, `at` the time of the entry."""
    found, wrong = _begun(values, "device", f"the id the device has on MQTT: {ID_HINT}")
    _texts(found, ("model", "firmware", "site", "customer", "name", "parent", "cohort", "contract"))
    _refers(found, wrong, "customer", "the id of a customer, as `vorab customers import` takes it")
    _refers(found, wrong, "site", "the id of a site, as `vorab sites import` takes it: " + ID_HINT)
    _refers(found, wrong, "contract", "the id of a contract, as `vorab contracts import` takes it: " + ID_HINT)
    _yes(found, wrong, "medical", "yes or no")
    _yes(found, wrong, "remote_repair", YES_HINT)
    _zone(found, wrong)
    if "limits" in found:
        written = found["limits"]
        found["limits"] = mapping(written)
        if not isinstance(found["limits"], dict) or not all(map(finite, found["limits"].values())):
            del found["limits"]
            wrong.append(Wrong("limits", f"{written!r}: a limit is a name and a number", "pressure_low=1.9 pressure_high=6"))
    return _made(Device, "device", found, wrong, at)


def customer(values: Mapping[str, Any], at: Micros) -> tuple[Customer | None, Mistakes]:
    """A customer, without what is personal."""
    hint = "a random id such as c-5f3a9c, of letters, digits and . _ : ~ -; it appears in the log, so it is never a name or an address"
    found, wrong = _begun(values, "customer", hint)
    found["own"] = tuple(name for name in SAID if name in found)
    _preferences(found, wrong)
    _yes(found, wrong, "vulnerable", "yes or no")
    for name in ("returns", "wrong_bills", "complaints"):
        if name in found and not re.fullmatch(r"\d{1,6}", str(found[name])):
            wrong.append(Wrong(name, f"{found.pop(name)!r} is no count", "how often it happened: 0, 1, 2"))
    return _made(Customer, "customer", found, wrong, at)


def site(values: Mapping[str, Any], at: Micros) -> tuple[Site | None, Mistakes]:
    """A site."""
    found, wrong = _begun(values, "site", f"an id, not the address: {ID_HINT}")
    _texts(found, ("name", "region", "parent"))
    _refers(found, wrong, "parent", "the id of another site: " + ID_HINT)
    _zone(found, wrong)
    _region(found, wrong)
    if found.get("parent") and found["parent"] == found.get("site"):
        wrong.append(Wrong("parent", "a site cannot belong to itself", "the id of the site it belongs to, or nothing"))
    return _made(Site, "site", found, wrong, at)


def contract(values: Mapping[str, Any], at: Micros) -> tuple[Contract | None, Mistakes]:
    """A contract."""
    found, wrong = _begun(values, "contract", f"its number, or another id: {ID_HINT}")
    _texts(found, ("kind", "customer"))
    _refers(found, wrong, "customer", "the id of a customer, as `vorab customers import` takes it")
    for name in ("response_h", "repair_h"):
        if name in found and not (finite(found[name]) and 0 < float(found[name]) <= 100_000):
            wrong.append(Wrong(name, f"{found.pop(name)!r} is no number of hours", "hours above 0, for example 4 or 0.5"))
    for name in ("starts", "ends"):
        if name in found and not re.fullmatch(r"\d{4}-\d{2}-\d{2}", str(found[name])):
            wrong.append(Wrong(name, f"{found.pop(name)!r} is no day", "year, month, day: 2026-12-31"))
    _yes(found, wrong, "remote_repair", YES_HINT)
    _preferences(found, wrong)
    made, wrong = _made(Contract, "contract", found, wrong, at)
    if made and made.starts and made.ends and made.ends < made.starts:
        return None, [*wrong, Wrong("ends", f"it ends on {made.ends}, before it starts on {made.starts}", "the last day of the contract")]
    return made, wrong


# ------------------------------------------------------------------------------------------------- of all kinds


def _begun(values: Mapping[str, Any], kind: str, hint: str) -> tuple[Found, Mistakes]:
    found, wrong = dict(values), Mistakes()
    for name, default, said in ((kind, "", hint), ("tenant", DEFAULT_TENANT, ID_HINT)):
        found[name] = str(found.get(name, default))
        if not ID.fullmatch(found[name]):
            wrong.append(Wrong(name, f"{name} {found[name]!r}", said))
            found[name] = "-"
    return found, wrong


def _texts(found: Found, names: Sequence[str]) -> None:
    for name in names:
        if name in found and isinstance(found[name], str | int | float):
            found[name] = str(found[name])


def _refers(found: Found, wrong: Mistakes, name: str, hint: str) -> None:
    if found.get(name) and not ID.fullmatch(str(found[name])):
        wrong.append(Wrong(name, f"{name} {found.pop(name)!r}", hint))


def _yes(found: Found, wrong: Mistakes, name: str, hint: str) -> None:
    if name in found:
        found[name] = truth(found[name])
        if not isinstance(found[name], bool):
            wrong.append(Wrong(name, f"{found.pop(name)!r} is neither yes nor no", hint))


def _zone(found: Found, wrong: Mistakes, *, said: str = "there is no time zone") -> None:
    if found.get("time_zone"):
        found["time_zone"] = str(found["time_zone"])
        if not is_zone(found["time_zone"]):
            wrong.append(Wrong("time_zone", f"{said} {found.pop('time_zone')!r}", ZONE_HINT))


def _region(found: Found, wrong: Mistakes) -> None:
    if found.get("region") and not _REGION.fullmatch(str(found["region"])):
        wrong.append(Wrong("region", f"no region {found.pop('region')!r}", "a country or a part of one after ISO 3166: DE, DE-BY"))


def _preferences(found: Found, wrong: Mistakes) -> None:
    """How a person is spoken to: of customers and of contracts."""
    for name, known, hint in (
        ("channels", list(Channel), f"one or more of {', '.join(Channel)}, the favourite first"),
        ("quiet_days", list(QuietDay), f"one or more of {', '.join(QuietDay)}"),
    ):
        if name in found:
            found[name] = words(found[name])
            if strange := [word for word in found[name] if word not in known]:
                del found[name]
                wrong.append(Wrong(name, f"no {name.replace('_', ' ').removesuffix('s')} {strange[0]!r}", hint))
    _purposes(found, wrong)
    _yes(found, wrong, "tell_healed", "yes or no")
    spoken = str(found.get("language") or "en").lower().replace("_", "-").partition("-")[0]
    if spoken not in LANGUAGES:
        wrong.append(Wrong("language", f"no messages in the language {found['language']!r}", f"one of {', '.join(LANGUAGES)}"))
    _zone(found, wrong, said="no time zone")
    _region(found, wrong)
    for name in ("quiet_from", "quiet_until"):
        if name in found and not is_time_of_day(found[name]):
            wrong.append(Wrong(name, f"no time of day {found.pop(name)!r}", "for example 22:00"))
    if "budget" in found:
        written = found["budget"]
        found["budget"] = mapping(written)
        counts = found["budget"] if isinstance(found["budget"], dict) else {"": written}
        if not all(name in list(Limit) and re.fullmatch(r"\d{1,4}", str(count)) for name, count in counts.items()):
            del found["budget"]
            wrong.append(
                Wrong("budget", f"{written!r}: a budget is limits and numbers", f"a_day=1 a_month=6; limits are {', '.join(Limit)}")
            )


def _purposes(found: Found, wrong: Mistakes) -> None:
    """`service advertising`, `service=yes advertising=no`, a list or a mapping: purpose to consent."""
    if "purposes" not in found:
        return
    value, known = found.pop("purposes"), [purpose.value for purpose in Purpose]
    if isinstance(value, str) and "=" in value:
        value = mapping(value)
    if isinstance(value, dict):
        agreed = {name: truth(yes) for name, yes in value.items()}
    else:
        named = words(value)
        agreed = {**{name: name in named for name in known}, **dict.fromkeys(named, True)}
    strange = [name for name in agreed if name not in known]
    if strange or not all(isinstance(yes, bool) for yes in agreed.values()):
        what = f"no purpose {strange[0]!r}" if strange else "a purpose is agreed to or not: yes or no"
        wrong.append(Wrong("purposes", what, f"the purposes agreed to, of {', '.join(known)}; or service=yes advertising=no"))
        return
    found["purposes"] = agreed


def _made(kind: type[Made], name: str, found: Found, wrong: Mistakes, at: Micros) -> tuple[Made | None, Mistakes]:
    try:
        made = kind.model_validate({**found, "id": key_of(found["tenant"], found[name]), "at": at})
    except ValidationError as error:
        for each in error.errors(include_url=False, include_input=False):
            wrong.append(Wrong(str(each["loc"][0]), each["msg"], "write what it asks for, or leave the key out"))
        return None, wrong
    return (None if wrong else made), wrong
