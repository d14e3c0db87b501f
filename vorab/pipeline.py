"""Which processors an installation runs, with its rules and remedies."""

from __future__ import annotations

from collections.abc import Sequence

from vorab.clock import SECOND
from vorab.errors import ConfigError
from vorab.processor import Kind
from vorab.settings import Settings

NAMES = ("detect", "gaps", "alarms", "cases", "permits", "customers")


def kinds(settings: Settings, only: Sequence[str] = ()) -> list[Kind]:
    """The processors, or only the named ones.

    Raises:
        ConfigError: an unknown name, or a mistake in a rule or remedy file.
    """
    for name in only:
        if name not in NAMES:
            raise ConfigError(f"there is no processor {name!r}", key="--only", hint=f"one of {', '.join(NAMES)}")
    return [_kind(name, settings) for name in NAMES if not only or name in only]


def _kind(name: str, settings: Settings) -> Kind:
    # Each is imported only where it runs: `--only detect` does not load the rest.
    if name == "detect":
        from streams.detect import detect_kind  # noqa: PLC0415
        from streams.rulefiles import load_rules  # noqa: PLC0415

        return detect_kind(load_rules(settings.streams.rules), round(settings.streams.grace_s * SECOND))
    if name == "gaps":
        from streams import gaps  # noqa: PLC0415

        return gaps.kind()
    if name == "alarms":
        from streams import alarms  # noqa: PLC0415

        return alarms.kind()
    from streams.case_remedies import load_policy  # noqa: PLC0415

    policy = load_policy(settings.streams.remedies)
    if name == "cases":
        from streams import cases  # noqa: PLC0415

        return cases.kind(policy)
    if name == "permits":
        from streams import permits  # noqa: PLC0415

        return permits.kind(policy)
    from streams import customers  # noqa: PLC0415

    return customers.kind(policy)
