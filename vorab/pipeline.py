"""Which processors an installation runs, with its rules and remedies."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from vorab.clock import SECOND
from vorab.errors import ConfigError
from vorab.processor import Kind
from vorab.settings import Settings
from vorab.topics import COHORTS

NAMES = ("detect", "cohorts", "gaps", "alarms", "firmwares", "rollouts", "cases", "incidents", "permits", "customers", "ledger")


def kinds(settings: Settings, only: Sequence[str] = ()) -> list[Kind]:
    """The processors, or only the named ones.

    Raises:
        ConfigError: an unknown name, or a mistake in a rule or remedy file.
    """
    for name in only:
        if name not in NAMES:
            raise ConfigError(f"there is no processor {name!r}", key="--only", hint=f"one of {', '.join(NAMES)}")
    found = [_kind(name, settings) for name in NAMES if not only or name in only]
    told = {topic for kind in found for topic in kind.outputs if kind.name != "cohorts"}
    # Nobody asks about cohorts where no rule compares peers, nor about incidents where nobody wishes to know.
    idle = {name for name, wanted in (("cohorts", COHORTS in told), ("incidents", settings.streams.incidents.on)) if not wanted}
    return [kind for kind in found if only or kind.name not in idle]


def _kind(name: str, settings: Settings) -> Kind:
    # Each is imported only where it runs: `--only detect` does not load the rest.
    if name == "detect":
        from streams.detect.processor import detect_kind  # noqa: PLC0415
        from streams.rules.files import load_rules  # noqa: PLC0415

        return detect_kind(load_rules(settings.streams.rules), round(settings.streams.grace_s * SECOND))
    if name in {"cohorts", "gaps", "alarms", "firmwares", "rollouts", "ledger"}:
        found: Kind = importlib.import_module(f"streams.{name}").kind()
        return found
    if name == "incidents":
        from streams.incidents import processor as incidents  # noqa: PLC0415

        return incidents.kind(settings.streams.incidents)
    from streams.cases.remedies import load_policy  # noqa: PLC0415

    policy = load_policy(settings.streams.remedies)
    if name == "permits":
        from streams import permits  # noqa: PLC0415

        return permits.kind(policy)
    from streams.care.files import load_care  # noqa: PLC0415

    care = load_care(settings.streams.care)
    if name == "cases":
        from streams.cases import processor as cases  # noqa: PLC0415

        return cases.kind(policy, care)
    from streams import customers  # noqa: PLC0415

    return customers.kind(policy, settings.streams.incidents, care)
