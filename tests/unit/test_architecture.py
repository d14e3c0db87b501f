"""The architecture, held by tests: who may import whom, who may talk to the outside, who may ask what time it is."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGES: Final = ("vorab", "ingest", "streams", "notifier", "desk")
STAGES: Final = ("ingest", "streams", "notifier", "desk")

WIRING: Final = ("vorab.cli", "vorab.cli.*", "vorab.runtime", "vorab.runtime*", "vorab.pipeline", "vorab.demo*", "vorab.bench*")
"""The modules of vorab that put the stages together, and so may import them."""

# A library that reaches outside, and the adapter modules that may import it. A new adapter is one more pattern here.
ADAPTERS: Final[Mapping[str, tuple[str, ...]]] = {
    "paho": ("ingest.mqtt*", "ingest.client*", "vorab.fleet*", "vorab.doctor*", "vorab.bench*", "vorab.demo*"),
    "kafka": ("vorab.log.kafka*", "vorab.doctor*", "vorab.bench*"),
    "faust": ("streams.hosts.faust*",),
    "aiokafka": ("streams.hosts.faust*",),
    "sqlite3": (
        "vorab.log.sqlite*",
        "vorab.people*",
        "vorab.doctor*",
        "vorab.knowledge.search",
        "notifier.store*",
        "streams.hosts.embedded*",
    ),
    "sqlalchemy": ("desk.*", "notifier.database*", "notifier.outbox*", "notifier.store*", "notifier.people*", "notifier.inbound.*"),
    "fastapi": ("desk.*", "notifier.http*", "vorab.http*"),
    "starlette": ("desk.*", "ingest.http*", "notifier.http*", "vorab.http*"),
    "uvicorn": ("desk.*", "ingest.http*", "notifier.http*", "vorab.http*", "vorab.cli*", "vorab.runtime*"),
    "smtplib": ("notifier.mail*",),
    "aiosmtpd": ("notifier.inbound.smtp",),
    "imaplib": ("notifier.inbound.imap",),
    "cel_expr_python": ("streams.rules.cel",),
    "amqtt": ("vorab.demo.broker*",),
    "psycopg": (),
    "apprise": ("notifier.apprise_channel",),
    "requests": ("notifier.apprise_watch",),
    "webpush": ("notifier.web_push",),
}

CLOCKS: Final = frozenset(
    {
        "time.time",
        "time.time_ns",
        "time.monotonic",
        "time.monotonic_ns",
        "time.perf_counter",
        "time.perf_counter_ns",
        "time.localtime",
        "time.gmtime",
        "datetime.datetime.now",
        "datetime.datetime.utcnow",
        "datetime.datetime.today",
        "datetime.date.today",
    }
)
# notifier and desk meet people, bench measures, fleet and demo play the outside world; all else is handed its time.
MAY_ASK_THE_TIME: Final = ("vorab.clock", "notifier*", "desk*", "vorab.bench*", "vorab.demo*", "vorab.fleet*")


def modules() -> Iterator[tuple[str, Path]]:
    """Every module of the product, by name and file."""
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            parts = file.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), file


def matches(module: str, patterns: tuple[str, ...]) -> bool:
    """Whether a module is one of those named."""
    return any(fnmatchcase(module, pattern) for pattern in patterns)


def imports(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """What a module imports, anywhere in it, with the line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((name.name, node.lineno) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise AssertionError(f"line {node.lineno}: a relative import hides which package it reaches")
            yield from ((f"{node.module}.{name.name}", node.lineno) for name in node.names)


def foreign_stages(module: str, tree: ast.AST) -> list[str]:
    """Imports that tie a stage to another stage, or the words to a stage."""
    own = module.partition(".")[0]
    if matches(module, WIRING):
        return []
    return [f"{module}:{line} imports {name}" for name, line in imports(tree) if (top := name.partition(".")[0]) in STAGES and top != own]


def outside_calls(module: str, tree: ast.AST) -> list[str]:
    """Imports of a library that reaches outside, by a module that is no adapter for it."""
    return [
        f"{module}:{line} imports {name}"
        for name, line in imports(tree)
        if (top := name.partition(".")[0]) in ADAPTERS and not matches(module, ADAPTERS[top])
    ]


def clock_calls(module: str, tree: ast.AST) -> list[str]:
    """Places where a module names a clock, under whatever name it imported it (a reference counts like a call)."""
    if matches(module, MAY_ASK_THE_TIME):
        return []
    known: dict[str, str] = {}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            known.update({alias.asname or alias.name: alias.name for alias in node.names})
        elif isinstance(node, ast.ImportFrom) and node.module in {"time", "datetime"}:
            known.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name) and isinstance(node.ctx, ast.Load):
            head, _, rest = ast.unparse(node).partition(".")
            name = f"{known.get(head, '')}.{rest}" if rest else known.get(head, "")
            if name in CLOCKS:
                found.append(f"{module}:{node.lineno} asks {name}")
    return found


def parsed(file: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(file.read_text(encoding="utf-8"), filename=str(file))


def test_stages_meet_only_in_the_log() -> None:
    """A stage imports vorab and itself, never another stage; vorab imports no stage, except where it wires them."""
    assert [wrong for module, file in modules() for wrong in foreign_stages(module, parsed(file))] == []


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("desk.pages", "from notifier.outbox import Outbox"),
        ("ingest.session", "def f():\n    import streams.detect"),
        ("vorab.records", "from streams import detect"),
        ("vorab.cleaner", "import desk"),
    ],
)
def test_a_stage_that_reaches_into_another_is_caught(module: str, code: str) -> None:
    """Known bad: each of these imports is found, also inside a function."""
    assert foreign_stages(module, ast.parse(code))


def test_only_adapters_talk_to_the_outside() -> None:
    """Brokers, databases, web and mail libraries are imported by their adapter modules and nobody else."""
    assert [wrong for module, file in modules() for wrong in outside_calls(module, parsed(file))] == []


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("streams.detect.processor", "import sqlite3"),
        ("streams.cases.machine", "from kafka import KafkaProducer"),
        ("vorab.records", "import paho.mqtt.client as mqtt"),
        ("notifier.pipeline", "from smtplib import SMTP"),
        ("ingest.decode", "def f():\n    from sqlalchemy.orm import Session"),
    ],
)
def test_a_decision_that_talks_to_the_outside_is_caught(module: str, code: str) -> None:
    """Known bad: a core module with a socket or a database in it is found."""
    assert outside_calls(module, ast.parse(code))


def test_time_is_an_argument() -> None:
    """Nobody but the clock, the rim that meets people and the measuring tools asks the machine what time it is."""
    assert [wrong for module, file in modules() for wrong in clock_calls(module, parsed(file))] == []


@pytest.mark.parametrize(
    "code",
    [
        "import time\ntime.time()",
        "import time as t\nt.monotonic()",
        "from time import perf_counter_ns as tick\ntick()",
        "import datetime\ndatetime.datetime.now()",
        "from datetime import datetime as dt\ndt.utcnow()",
        "from datetime import datetime, date\nnow = datetime.now\ntoday = date.today()",
        "from dataclasses import field\nfrom time import time\nat: float = field(default_factory=time)",
    ],
)
def test_a_decision_that_asks_the_time_is_caught(code: str) -> None:
    """Known bad: every way of spelling it is found, also a clock handed on without being called."""
    assert clock_calls("streams.detect.processor", ast.parse(code))


def test_a_clock_that_was_handed_over_is_no_clock_call() -> None:
    """`clock.now()` and names that only look alike are fine: the check is about the machine's clock."""
    code = "from datetime import datetime\ndef f(clock, time):\n    return clock.now(), datetime.fromisoformat('x')"
    assert clock_calls("streams.detect.processor", ast.parse(code)) == []


def loaded_by(statement: str) -> set[str]:
    """Top-level names of the modules a fresh interpreter holds after a statement, beyond those it starts with."""
    code = f"import sys, json; before = set(sys.modules); {statement}; print(json.dumps(sorted(set(sys.modules) - before)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in json.loads(done.stdout)}


def test_import_vorab_loads_the_standard_library_only() -> None:
    """`import vorab` costs nothing: a tool that only wants the version does not load a broker client."""
    assert loaded_by("import vorab") - set(sys.stdlib_module_names) == {"vorab"}


def test_a_package_that_loads_more_is_caught() -> None:
    """Known bad: a third-party import shows up in what a fresh interpreter loaded."""
    assert "numpy" in loaded_by("import numpy") - set(sys.stdlib_module_names)


def test_every_pattern_of_the_tables_is_about_a_package_of_ours() -> None:
    """A typing error in the tables above cannot let a module through unseen: each pattern starts with one of our packages."""
    patterns = [*WIRING, *MAY_ASK_THE_TIME, *(pattern for row in ADAPTERS.values() for pattern in row)]
    assert [pattern for pattern in patterns if pattern.rstrip("*").partition(".")[0] not in PACKAGES] == []
