"""Partners: may they be called, can their credentials be read, do they answer, and do they take us for who we are?"""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from vorab.clock import SystemClock
from vorab.doctor import Finding, note, ok, problem
from vorab.errors import ConfigError
from vorab.outbound import credentials, signatures
from vorab.outbound.addresses import allowed_host
from vorab.outbound.call import Caller, CallFailed, Trouble
from vorab.partners import Partner
from vorab.settings import Settings

PING: Final = "io.vorab.ping.v1"

DO: Final[dict[Trouble, str]] = {
    Trouble.UNREACHABLE: "see that the name is right, the system runs, and this machine may reach it",
    Trouble.UNKNOWN: "it takes connections and does not answer: look at its own log, or give it more timeout_s",
    Trouble.BUSY: "look at the log of that system; vorab goes on trying",
    Trouble.CREDENTIALS: "put valid credentials into token_file; they are read anew with each call",
    Trouble.REDIRECT: "set base_url to the address it leads to; redirects are not followed",
    Trouble.REFUSED: "look at base_url and version: it does not take what we ask for",
    Trouble.GONE: "look at base_url: there is nothing at this address",
    Trouble.UNREADABLE: "look at base_url: something answers that is no such system",
    Trouble.ADDRESS: "set desk.partner_hosts, or allow_private for a system inside the house",
    Trouble.CONFIG: "name a file that vorab may read",
}


def examine(settings: Settings) -> Sequence[Finding]:
    """One finding per partner, and one per loose file; none where there are no partners."""
    found: list[Finding] = []
    for partner in settings.partners:
        found += [look(partner, settings.desk.partner_hosts), *loose(partner)]
    return found


def look(partner: Partner, hosts: Sequence[str]) -> Finding:
    """Call a partner, changing nothing there: read one ticket, or send a signed event that says nothing."""
    about = f"partner {partner.name}"
    if not allowed_host(partner.host, hosts):
        return problem(about, f"{partner.host} is not in desk.partner_hosts", f'[desk] partner_hosts = ["{partner.host}"] allows it')
    try:
        secrets = credentials.secrets(partner)
        said = _call(partner, hosts, secrets)
    except ConfigError as error:
        return problem(about, error.what, error.hint or DO[Trouble.CONFIG])
    except CallFailed as error:
        return problem(about, f"{error.trouble}: {error.detail}", DO[error.trouble])
    if partner.kind == "tmf621" and not secrets:
        return note(
            about,
            f"{said}; without secret_file it cannot tell us of changes, and is only looked at",
            "set secret_file, see docs/partners.md",
        )
    return ok(about, said)


def _call(partner: Partner, hosts: Sequence[str], secrets: Sequence[str]) -> str:
    call = Caller(hosts, partner.allow_private, partner.timeout_s)
    shown = credentials.authorization(partner)
    if partner.kind == "tmf621":
        found = call("GET", f"{partner.base_url.rstrip('/')}/troubleTicket?fields=id&limit=1", shown).json()
        if not isinstance(found, list):
            raise CallFailed(Trouble.UNREADABLE, "it answers with something else than a list of tickets")
        return f"{partner.host} answers, and lets us read tickets"
    now = SystemClock().now()
    body = f'{{"specversion":"1.0","id":"ping-{now}","source":"urn:vorab:doctor","type":"{PING}"}}'.encode()
    media = {"Content-Type": "application/cloudevents+json"}
    call("POST", partner.base_url, {**media, **shown, **signatures.headers(secrets, f"ping-{now}", now, body)}, body)
    return f"{partner.host} takes a signed event; {len(secrets)} {'key is' if len(secrets) == 1 else 'keys are'} valid"


def loose(partner: Partner) -> list[Finding]:
    """Files of credentials that others on this machine can read."""
    files = [Path(file) for file in (partner.token_file, partner.secret_file) if file]
    return [
        problem(f"partner {partner.name}", f"{file} is open to other users of this machine", f"chmod 600 {file}")
        for file in files
        if file.exists() and stat.S_IMODE(file.stat().st_mode) & 0o077
    ]
