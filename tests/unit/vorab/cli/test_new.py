"""`vorab new decoder`: what it writes works as it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.parts.base import PATIENCE_S
from vorab import cli
from vorab.cli.new import FILES, TEMPLATES

ROOT = Path(__file__).resolve().parents[4]


def new(*arguments: str) -> int:
    """The exit code of the command."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["new", "decoder", *arguments])
    return int(str(ended.value.code))


def test_a_new_decoder_passes_its_test_and_is_loaded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From the command to a reading without a line of one's own; and what vorab says to type next is what works."""
    assert new("acme", "--dir", str(tmp_path / "plant")) == 0
    said = capsys.readouterr().out
    folder = tmp_path / "plant"
    assert sorted(file.name for file in folder.iterdir()) == ["acme.py", "acme_sample.json", "test_acme.py"]
    entry = said[said.index("[[ingest.topic_map]]") : said.index("  vorab ingest try")]
    (folder / "vorab.toml").write_text(entry, encoding="utf-8")
    call = "from vorab.cli import main; main(['ingest', 'try', '--topic', 'acme/device-1/up', '--file', 'acme_sample.json'])"
    for command in (["-m", "pytest", "-q", "-p", "no:cacheprovider", "test_acme.py"], ["-c", call]):
        done = subprocess.run(
            [sys.executable, *command],
            cwd=folder,
            env={"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert "temperature  21.5   Cel" in done.stdout


def test_what_it_writes_keeps_the_rules_of_this_house(tmp_path: Path) -> None:
    """Somebody may add it to vorab one day: typed, and in the house style."""
    assert new("acme", "--dir", str(tmp_path)) == 0
    files = [str(tmp_path / "acme.py"), str(tmp_path / "test_acme.py")]
    checks = (
        ["ruff", "check", "--config", str(ROOT / "pyproject.toml"), "--ignore", "INP001,S101,I001", *files],
        ["ruff", "format", "--check", "--config", str(ROOT / "pyproject.toml"), *files],
    )
    for command in checks:
        done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Acme", "small letters"),
        ("a-b", "small letters"),
        ("class", "small letters"),
        ("json", "already a module"),
        ("../x", "small letters"),
    ],
)
def test_a_name_that_cannot_be_is_refused(name: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is written."""
    assert new(name, "--dir", str(tmp_path)) == 2
    assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Known bad: a second call that forgets an afternoon of work."""
    (tmp_path / "acme_sample.json").write_text("mine", encoding="utf-8")
    assert new("acme", "--dir", str(tmp_path)) == 2
    assert "nothing is written over" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["acme_sample.json"]


def test_the_templates_are_shipped() -> None:
    """Each of them is there, and is of a kind that goes into the wheel."""
    assert sorted(file.name for file in TEMPLATES.iterdir()) == sorted(FILES)
    assert all(name.endswith(".txt") for name in FILES)
