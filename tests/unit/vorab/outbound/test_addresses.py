"""A call goes where the operator meant it to go, and nowhere else."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import pytest

from vorab.outbound.addresses import AddressRefused, allowed_host, pinned, refusal
from vorab.outbound.call import Caller, CallFailed, Trouble

PRIVATE = [
    "127.0.0.1", "127.8.9.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "::1", "fc00::1", "fd12::1", "::ffff:127.0.0.1",
    "::ffff:10.1.2.3", "64:ff9b::7f00:1", "2002:7f00:1::", "192.0.2.1", "198.18.0.1", "240.0.0.1", "2001:db8::1",
]  # fmt: skip
NEVER = ["169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "0.0.0.0", "::", "224.0.0.1", "ff02::1", "64:ff9b::a9fe:a9fe", "nonsense"]  # noqa: S104 - looked at, not bound
PUBLIC = ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "8.8.8.8"]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_called_only_where_that_is_allowed(address: str) -> None:
    """Also behind the disguises of IPv6."""
    assert refusal(address, allow_private=False)
    assert not refusal(address, allow_private=True)


@pytest.mark.parametrize("address", NEVER)
def test_some_addresses_are_never_called(address: str) -> None:
    """Cloud metadata, link-local, multicast, and what is no address."""
    assert refusal(address, allow_private=True)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_fine(address: str) -> None:
    """The check lets through what it should."""
    assert not refusal(address, allow_private=False)


def test_one_bad_address_among_good_ones_refuses_the_name() -> None:
    """A name server that answers with both is trying something."""
    with pytest.raises(AddressRefused, match=r"127\.0\.0\.1"):
        pinned("itsm.example.org", 443, allow_private=False, resolver=lambda _host, _port: ["8.8.8.8", "127.0.0.1"])


@pytest.mark.parametrize(
    ("host", "fine"),
    [
        ("itsm.example.org", True), ("ITSM.example.org.", True), ("a.tickets.example.org", True), ("tickets.example.org", False),
        ("itsm.example.org.evil.net", False), ("eviltickets.example.org", False), ("", False),
    ],
)  # fmt: skip
def test_only_hosts_of_the_list_are_called(host: str, fine: bool) -> None:
    """By name, or below a name."""
    assert allowed_host(host, ["itsm.example.org", "*.tickets.example.org"]) is fine


class Canary(http.server.BaseHTTPRequestHandler):
    """Answers as it is told, and remembers who came."""

    heard: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        """Redirects, errors, much or nothing."""
        self.heard.append(self.path)
        kind = self.path.partition("?")[0].strip("/")
        if kind == "silent":
            self.close_connection = True
            return
        status = {"redirect": 302, "busy": 503, "gone": 410, "denied": 403, "wrong": 422}.get(kind, 200)
        body = b"x" * (2 << 20) if kind == "much" else b"[]"
        self.send_response(status)
        self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.send_header("Retry-After", "7")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


@pytest.fixture
def canary() -> Iterator[int]:
    """A server on loopback that nobody should reach unasked; yields its port."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Canary)
    Canary.heard.clear()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


def call(url: str, hosts: Sequence[str], **how: Any) -> Trouble | None:
    """What goes wrong; None where nothing does."""
    try:
        Caller(hosts, **how)("GET", url, {})
    except CallFailed as error:
        return error.trouble
    return None


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/", "http://localhost:{port}/", "http://2130706433:{port}/", "http://0x7f.1:{port}/", "http://127.1:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/", "http://[::1]:{port}/", "http://0:{port}/", "http://itsm.example.org@127.0.0.1:{port}/",
        "file:///etc/passwd", "ftp://127.0.0.1:{port}/", "gopher://127.0.0.1:{port}/", "http:///x", "//127.0.0.1:{port}/",
        "http://rebind.example.org:{port}/",
    ],
)  # fmt: skip
def test_no_spelling_of_loopback_is_reached_from_outside(canary: int, url: str) -> None:
    """With every host allowed but no private address: not one connection."""
    hosts = ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "::ffff:127.0.0.1", "::1", "0", "*.example.org"]
    how: dict[str, Any] = {"resolver": lambda _host, _port: ["127.0.0.1"]} if "rebind" in url else {}
    assert call(url.format(port=canary), hosts, **how) in {Trouble.ADDRESS, Trouble.UNREACHABLE}
    assert Canary.heard == []


def test_the_address_that_was_looked_at_is_the_one_that_is_called(canary: int) -> None:
    """A name is resolved once: a second answer of the name server is never asked for."""
    answers = iter([["127.0.0.1"], ["8.8.8.8"]])
    assert (
        call(f"http://itsm.example.org:{canary}/", ["itsm.example.org"], allow_private=True, resolver=lambda _h, _p: next(answers)) is None
    )
    assert Canary.heard == ["/"]
    assert next(answers) == ["8.8.8.8"]


@pytest.mark.parametrize(
    ("path", "trouble"),
    [
        ("redirect", Trouble.REDIRECT), ("busy", Trouble.BUSY), ("gone", Trouble.GONE), ("denied", Trouble.CREDENTIALS),
        ("wrong", Trouble.REFUSED), ("silent", Trouble.UNKNOWN), ("much", Trouble.UNREADABLE), ("fine", None),
    ],
)  # fmt: skip
def test_each_answer_is_what_it_means_for_us(canary: int, path: str, trouble: Trouble | None) -> None:
    """Redirects are not followed; what was sent and not answered is unknown, and not failed."""
    assert call(f"http://127.0.0.1:{canary}/{path}", ["127.0.0.1"], allow_private=True) == trouble
    assert Canary.heard == [f"/{path}"]


def test_what_was_not_sent_is_told_apart_from_what_may_have_arrived() -> None:
    """Nobody listens there: it cannot have been done."""
    assert call("http://127.0.0.1:9/", ["127.0.0.1"], allow_private=True) is Trouble.UNREACHABLE
