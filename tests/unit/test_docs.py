"""What the docs say is what the code does."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

from vorab import metrics, settings, topics
from vorab.cli import COMMANDS

ROOT = Path(__file__).resolve().parents[2]


def _script() -> Any:
    spec = importlib.util.spec_from_file_location("docs_script", ROOT / "scripts" / "docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "name",
    [
        "docs/settings.md",
        "docs/metrics.md",
        "docs/topics.md",
        "docs/cases.md",
        "docs/care.md",
        "care/schema.json",
        "vorab.example.toml",
        "firmware/asyncapi.yaml",
    ],
)
def test_pages_made_from_tables_are_up_to_date(name: str) -> None:
    """`make docs` would change nothing."""
    assert _script().PAGES[name]() == (ROOT / name).read_text(encoding="utf-8")


def _prose() -> dict[Path, str]:
    folders = [ROOT / name for name in ("docs", "deploy", "firmware")]
    pages = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(page for folder in folders for page in folder.rglob("*.md"))]
    return {page: page.read_text(encoding="utf-8") for page in pages if page.exists()}


def _unknown(pattern: str, known: set[str]) -> list[str]:
    return [f"{page.name}: {word}" for page, text in _prose().items() for word in re.findall(pattern, text) if word not in known]


def test_every_metric_the_docs_name_exists() -> None:
    """Nobody writes an alert on a metric that is not there."""
    names = {row.name for row in metrics.TABLE}
    names |= {f"{row.name}{end}" for row in metrics.TABLE if row.kind == "histogram" for end in ("_bucket", "_sum", "_count")}

    assert _unknown(r"`(vorab_[a-z_]+)`", names) == []


def test_every_topic_the_docs_name_exists() -> None:
    """Topics in the docs are topics of the table."""
    files = {"vorab.toml", "vorab.example.toml", "vorab.db"}
    assert [word for word in _unknown(r"`(vorab\.[a-z-]+)`", set(topics.TOPICS) | files) if not _is_module(word)] == []


def _is_module(word: str) -> bool:
    name = word.rpartition("vorab.")[2]
    if name in {"ingest", "streams", "notifier", "desk"}:
        return True
    return (ROOT / "vorab" / f"{name}.py").exists() or (ROOT / "vorab" / name).is_dir()


def test_every_environment_variable_the_docs_name_exists() -> None:
    """Variables in the docs are variables of the table."""
    known = {row.env for row in settings.table()} | {"VORAB_CONFIG", "VORAB_CRASH", "VORAB_TEST_KAFKA", "VORAB_TEST_MQTT"}

    assert _unknown(r"`(VORAB_[A-Z_]+)", known) == []


def test_every_command_the_docs_name_exists() -> None:
    """A reader can type what is written."""
    assert _unknown(r"`vorab ([a-z]+)", set(COMMANDS)) == []


def test_every_link_between_pages_leads_somewhere() -> None:
    """No page points at a page that is not there."""
    broken = [
        f"{page.relative_to(ROOT)} -> {target}"
        for page, text in _prose().items()
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
        if not (page.parent / target).exists()
    ]

    assert broken == []


def test_a_page_that_names_something_else_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The checks above can fail."""
    (tmp_path / "README.md").write_text("see `vorab_nothing_total`, `vorab dance`, `vorab.nowhere`", encoding="utf-8")
    monkeypatch.setattr("tests.unit.test_docs.ROOT", tmp_path)

    assert _unknown(r"`(vorab_[a-z_]+)`", set()) == ["README.md: vorab_nothing_total"]
    assert _unknown(r"`vorab ([a-z]+)", set(COMMANDS)) == ["README.md: dance"]
