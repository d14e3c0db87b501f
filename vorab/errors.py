"""Failures sorted by who can act.

    VorabError
    ├── ConfigError    the operator, at start: names file, line and key
    ├── Rejected       nobody: the bytes are kept in `vorab.rejected` with a reason
    └── Unavailable    time: back off and try again

Everything else is a defect: it crashes the process (exit 70) and its supervisor starts it again.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

EXIT_OK: Final = 0
EXIT_PROBLEMS: Final = 1
EXIT_USAGE: Final = 2
EXIT_CRASH: Final = 70


class Reason(StrEnum):
    """Why something was refused; also a metric label, so the set is closed."""

    TOO_LARGE = "too_large"
    TOO_DEEP = "too_deep"
    BAD_UTF8 = "bad_utf8"
    BAD_JSON = "bad_json"
    BAD_CBOR = "bad_cbor"
    BAD_SHAPE = "bad_shape"
    BAD_VALUE = "bad_value"
    NOT_FINITE = "not_finite"
    BAD_TIME = "bad_time"
    BAD_NAME = "bad_name"
    TOO_MANY_SIGNALS = "too_many_signals"
    EMPTY = "empty"
    UNKNOWN_TOPIC = "unknown_topic"
    IDENTITY_MISMATCH = "identity_mismatch"
    UNSUPPORTED = "unsupported"
    BAD_FRAME = "bad_frame"
    BAD_RECORD = "bad_record"
    NEWER_VERSION = "newer_version"
    RETAINED = "retained"
    RATE_LIMITED = "rate_limited"
    QUARANTINED = "quarantined"
    OUT_OF_SESSION = "out_of_session"


class VorabError(Exception):
    """The root of everything vorab raises on purpose."""


class ConfigError(VorabError):
    """A setting is wrong; says where it stands and what would be right."""

    def __init__(self, what: str, *, file: str = "", line: int = 0, column: int = 0, key: str = "", hint: str = "") -> None:
        self.what, self.file, self.line, self.column, self.key, self.hint = what, file, line, column, key, hint
        super().__init__(str(self))

    def __str__(self) -> str:
        """Three lines at most: what, where, what to do."""
        where = f"{self.file}:{self.line}" if self.line else self.file
        place = f"{where} [{self.key}]" if where and self.key else where or self.key
        place += f", column {self.column}" if self.column else ""
        return "\n".join(part for part in (self.what, f"  at {place}" if place else "", f"  {self.hint}") if part.strip())


class Rejected(VorabError):
    """Input that cannot be taken; carries the reason that goes on the record and into the metric."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        self.reason, self.detail = reason, detail
        super().__init__(f"{reason}: {detail}" if detail else str(reason))


class Unavailable(VorabError):
    """Something vorab needs is away for now; the caller backs off and tries again."""
