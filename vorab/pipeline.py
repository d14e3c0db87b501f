"""Which processors an installation runs, with its rules and remedies."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import replace

from vorab.clock import SECOND
from vorab.errors import ConfigError
from vorab.processor import Kind
from vorab.settings import Settings
from vorab.topics import COHORTS, SLOTS

NAMES = (
    "detect", "cohorts", "gaps", "alarms", "firmwares", "rollouts", "cases", "incidents", "permits", "customers", "ledger", "callbacks",
)  # fmt: skip


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
    # Nobody asks about cohorts where no rule compares peers, nor about incidents where nobody wishes to know, nor books where nobody calls.
    options = settings.streams
    wishes = (("cohorts", COHORTS in told), ("incidents", options.incidents.on), ("callbacks", options.callbacks.on))
    idle = {name for name, wanted in wishes if not wanted}
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
    if name in {"incidents", "callbacks"}:
        module = "streams.incidents.processor" if name == "incidents" else "streams.callbacks"
        of_options: Kind = importlib.import_module(module).kind(getattr(settings.streams, name))
        return of_options
    from streams.cases.remedies import load_policy  # noqa: PLC0415

    policy = load_policy(settings.streams.remedies)
    if name == "permits":
        from streams import permits  # noqa: PLC0415

        return permits.kind(policy)
    from streams.care.files import load_care  # noqa: PLC0415

    care = load_care(settings.streams.care)
    if name == "cases":
        from streams.cases import processor as cases  # noqa: PLC0415

        made = cases.kind(policy, care)
        # The diary of calls lives in the time of the cases.
        return replace(made, ticks=(*made.ticks, SLOTS)) if settings.streams.callbacks.on else made
    from streams import customers  # noqa: PLC0415

    return customers.kind(policy, settings.streams.incidents, care, round(settings.streams.cool_down_s * SECOND), parts_of(settings))


def parts_of(settings: Settings) -> Callable[[str, str], list[tuple[str, str]]]:
    """Model and cause → articles about that, with the part each names; an article with a mistake names none."""
    from vorab.knowledge import check_articles, folder_of  # noqa: PLC0415

    folder = folder_of(settings.notifier.words)
    with_part = [article for article in check_articles([folder] if folder.is_dir() else []).articles if article.part]
    return lambda model, cause: [(article.id, article.part) for article in with_part if article.about(model, cause)]
