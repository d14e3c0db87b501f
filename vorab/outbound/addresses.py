"""Where a call may go: only to hosts the operator has named, and never by a trick to a machine of ours.

A name is resolved once and the connection goes to the address that was looked at, so that no second answer of a name server can lead it
elsewhere.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable, Sequence
from typing import Final
from urllib.parse import urlsplit

from vorab.errors import VorabError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Sequence[str]]
"""The addresses of a host name; raises OSError where it has none."""

NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


class AddressRefused(VorabError):
    """A host or address that may not be called."""


def allowed_host(host: str, hosts: Iterable[str]) -> bool:
    """Whether the operator's list names a host; `*.example.org` names all below it."""
    wanted = host.rstrip(".").casefold()
    for name in (name.rstrip(".").casefold() for name in hosts):
        if wanted == name or (name.startswith("*.") and wanted.endswith(name[1:]) and len(wanted) > len(name[1:])):
            return True
    return False


def web_address(url: str, *, allow_private: bool, key: str = "url") -> str:
    """The host of an address in the settings that may be called; `key` is what it is called there.

    Raises:
        ValueError: it is not `https://HOST[:PORT][/PATH]`; plain http only where private addresses are allowed.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and allow_private):
        raise ValueError(f"{key} is https://…; http only inside the house, with allow_private = true")
    if not parts.hostname or parts.username or parts.password or parts.fragment or parts.query:
        raise ValueError(f"{key} is https://HOST[:PORT][/PATH], without user, query or fragment")
    return parts.hostname


def listed_address(url: str, hosts: Iterable[str], *, allow_private: bool) -> None:
    """Raises ValueError as `web_address`, and where the host is not in the operator's list."""
    host = web_address(url, allow_private=allow_private)
    if not allowed_host(host, hosts):
        raise ValueError(f'{host} is not in hosts; hosts = ["{host}"] allows it')


def resolve(host: str, port: int) -> Sequence[str]:
    """What the system's resolver says."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(row[4][0]) for row in found))


def pinned(host: str, port: int, *, allow_private: bool, resolver: Resolve = resolve) -> str:
    """The one address to connect to.

    Raises:
        AddressRefused: one of the addresses may not be called.
        OSError: the name has no address.
    """
    found = resolver(host, port)
    if not found:
        raise OSError(f"{host} has no address")
    for address in found:  # one bad address among good ones is a trick, not a choice
        why = refusal(address, allow_private=allow_private)
        if why:
            raise AddressRefused(f"{host} is at {address}, {why}")
    return found[0]


def refusal(address: str, *, allow_private: bool) -> str:
    """Why an address may not be called; empty where it may."""
    try:
        ip = _inner(ipaddress.ip_address(address.partition("%")[0]))
    except ValueError:
        return "which is no address"
    if ip.is_link_local or ip.is_multicast or ip.is_unspecified:
        return "which is never called"  # cloud metadata services live there
    private = ip.is_loopback or not ip.is_global
    if private and not allow_private:
        return "which is private"
    return ""


def is_private(address: str) -> bool:
    """Whether an address is inside the house."""
    return bool(refusal(address, allow_private=False))


def _inner(ip: Address) -> Address:
    """The IPv4 address an IPv6 address only wraps."""
    if isinstance(ip, ipaddress.IPv6Address):
        if ip in NAT64:
            return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        return ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else ip)
    return ip
