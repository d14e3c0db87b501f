"""Whether a request to the API may pass: by its token, or without one where only this machine can ask."""

from __future__ import annotations

from typing import Final

from starlette.datastructures import Headers

from desk.problems import Problem
from desk.tokens import Failures, Tokens, may_book, needed
from vorab.clock import Clock
from vorab.service import logger
from vorab.settings import DeskToken

PATHS: Final = ("/api/", "/tmf-api/")
OPEN: Final = frozenset({"/api/live"})
"""What the pages of the console ask for; it is as open as they are."""
SIGNED: Final = frozenset({"/api/hooks/call"})
"""Proves itself by its signature."""
HOLDER: Final = "vorab.holder"
"""Where in a request's scope stands whose token it brought."""

log = logger("desk")


class Gate:
    """Answers for one desk."""

    def __init__(self, tokens: Tokens, clock: Clock) -> None:
        self._tokens, self._clock = tokens, clock
        self._failures = Failures()

    @staticmethod
    def guards(path: str) -> bool:
        """Whether a path is the API's."""
        return path.startswith(PATHS)

    def pass_(self, method: str, path: str, headers: Headers, peer: str, *, local: bool) -> DeskToken | None:
        """Whose token a request brought; None where it brought none and needs none.

        Raises:
            Problem: it may not pass. The token is never repeated.
        """
        given = headers.get("authorization")
        if given is None:
            if local or path in OPEN or path in SIGNED:
                return None
            raise Problem(401, "token-needed", "Authorization: Bearer TOKEN; `vorab desk token` makes one")
        now = self._clock.wall(self._clock.now())
        wait_s = self._failures.wait_s(peer, now)
        if wait_s:
            raise Problem(429, "too-many-wrong-tokens", "too many wrong tokens came from this address", wait_s=wait_s)
        kind, _, token = given.partition(" ")
        holder = self._tokens.holder(token.strip()) if kind.lower() == "bearer" else None
        if holder is None:
            self._failures.failed(peer, now)
            log.warning("a wrong token", peer=peer, path=path)
            raise Problem(401, "wrong-token", "nobody's token")
        scope = needed(method, path)
        if scope not in holder.scopes and not may_book(method, path, holder.scopes):
            raise Problem(403, "not-allowed", f"the token {holder.name} is not for {scope}")
        return holder
