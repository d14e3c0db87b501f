"""The house: what holds for every file of the repository."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.parts.mosquitto import PROFILES

ROOT: Final = Path(__file__).resolve().parents[2]

# Put together here so that this file does not find itself.
REGISTRIES: Final = tuple(
    f"{name}.{end}"
    for name, end in (
        ("pypi", "org"),
        ("files.pythonhosted", "org"),
        ("repo1.maven", "org"),
        ("repo.maven.apache", "org"),
        ("registry.npmjs", "org"),
        ("deb.debian", "org"),
        ("proxy.golang", "org"),
        ("crates", "io"),
    )
)
MACHINE_PATH: Final = re.compile(r"(?<![\w.\-/$}])/(?:root|work|home/\w+|Users/\w+)/")
SHARED: Final = re.compile(r"\.\./" + r"(?:shared|\.library)\b")
LINK: Final = re.compile(r"\]\((?!\w+:|#)([^)\s#]+)")


def repository_files() -> list[Path]:
    """Every file that is or would be committed; all files where this is no git checkout."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=False
    )
    if listed.returncode:
        hidden = {".git", ".venv", ".parts", "__pycache__"}
        return [file for file in ROOT.rglob("*") if file.is_file() and not hidden & set(file.relative_to(ROOT).parts)]
    return [file for name in listed.stdout.decode().split("\0") if name and (file := ROOT / name).is_file()]


def text_files() -> Iterator[tuple[Path, str]]:
    """Every text file with its text; lock files and foreign code that we ship as it came are left out."""
    for file in repository_files():
        if "vendor" in file.parts:
            continue
        try:
            yield file.relative_to(ROOT), file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def reaches_outside(file: Path, text: str) -> list[str]:
    """Places where a file leans on something outside the repository, each with its line."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        here = f"{file}:{number}"
        found += [f"{here} names the registry {host}" for host in REGISTRIES if host in line]
        found += [f"{here} names a path of one machine: {match[0]}" for match in MACHINE_PATH.finditer(line)]
        found += [f"{here} names {match[0]}" for match in SHARED.finditer(line)]
        if file.suffix == ".md":
            for link in LINK.findall(line):
                target = (ROOT / file.parent / link).resolve()
                if not target.is_relative_to(ROOT):
                    found.append(f"{here} links out of the repository: {link}")
    return found


def test_the_repository_stands_alone() -> None:
    """No file names a path of the machine it was written on, a folder beside the repository, or a package registry."""
    assert [wrong for file, text in text_files() for wrong in reaches_outside(file, text)] == []


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("README.md", "see ../" + "shared/NOTES.md"),
        ("docs/guarantees.md", "[design](../../DESIGN.md)"),
        ("vorab/x.py", 'DATA = "/ro' + 'ot/data/x.csv"'),
        ("Makefile", "cd /home/" + "anna/vorab"),
        ("requirements/x.txt", "--index-url https://py" + "pi.org/simple"),
    ],
)
def test_a_reference_to_the_outside_is_caught(file: str, text: str) -> None:
    """Known bad: each kind of reference to the outside is found."""
    assert reaches_outside(Path(file), text)


def functions_of(tree: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """The tests of a file."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return [node for node in ast.walk(tree) if isinstance(node, kinds) and node.name.startswith("test_")]


def silent_tests(text: str) -> list[str]:
    """Tests without a sentence."""
    return [each.name for each in functions_of(ast.parse(text)) if not (ast.get_docstring(each) or "").strip()]


def test_every_test_is_a_sentence() -> None:
    """Each test function says in its docstring what it proves."""
    tests = [(file, text) for file, text in text_files() if file.suffix == ".py" and file.parts[0] == "tests"]
    assert [f"{file}: {name}" for file, text in tests for name in silent_tests(text)] == []


def test_a_test_that_says_nothing_is_caught() -> None:
    """Known bad: a test without a docstring is found, in a class too."""
    assert silent_tests("class TestX:\n    def test_a(self):\n        assert True\n") == ["test_a"]


def pinned(name: str) -> dict[str, str]:
    """Exact versions of a lock file."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    return {canonicalize_name(found[1]): found[2] for found in re.finditer(r"(?m)^([\w.-]+)==(\S+)", text)}


def declared(*extras: str) -> list[Requirement]:
    """The ranges of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    rows = project["dependencies"] + [row for extra in extras for row in project["optional-dependencies"][extra]]
    return [Requirement(row) for row in rows]


@pytest.mark.parametrize(("name", "extras"), [("runtime", ()), ("dev", ("dev", "postgres"))])
def test_the_locks_answer_the_ranges(name: str, extras: tuple[str, ...]) -> None:
    """Every range of pyproject.toml is pinned within it; `make lock` was not forgotten."""
    pins = pinned(name)
    wrong = [str(want) for want in declared(*extras) if not want.specifier.contains(pins.get(canonicalize_name(want.name), "0"))]
    assert wrong == []


def test_development_runs_what_users_run() -> None:
    """The lock for developers holds the lock for users, version by version."""
    assert pinned("runtime").items() <= pinned("dev").items()


@pytest.mark.parametrize("name", ["runtime", "dev"])
def test_every_pin_has_hashes_and_no_address(name: str) -> None:
    """A lock line is a name, a version and SHA-256 sums; where the file comes from is the installer's business."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    code = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    pin, digest = re.compile(r"[\w.-]+==\S+ \\"), re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")
    assert [line for line in code if not (pin.fullmatch(line) or digest.fullmatch(line))] == []
    assert text.count("==") <= text.count("--hash=sha256:")


LIMITS: Final = {
    # Mosquitto's own default for each loses acknowledged messages in silence or has no bound at all.
    "max_inflight_messages": "2000",
    "max_inflight_bytes": "0",
    "max_queued_messages": "0",
    "max_queued_bytes": "536870912",
    "message_size_limit": "65536",
    "max_packet_size": "69632",
    "max_connections": "20000",
    "max_keepalive": "600",
    "memory_limit": "0",
    "persistent_client_expiration": "14d",
    "queue_qos0_messages": "false",
    "persistence": "true",
}


def mosquitto_settings(profile: str) -> dict[str, str]:
    """The settings of a profile; one said twice counts once."""
    lines = (PROFILES / f"{profile}.conf").read_text().splitlines()
    words = [line.split(maxsplit=1) for line in lines if line.strip() and not line.startswith("#")]
    return dict(words)


@pytest.mark.parametrize(
    ("profile", "saving"),
    [
        ("standard", {"autosave_on_changes": "false", "autosave_interval": "1800"}),
        ("durable", {"autosave_on_changes": "true", "autosave_interval": "1"}),
    ],
)
def test_mosquitto_has_every_limit_set(profile: str, saving: dict[str, str]) -> None:
    """No limit of the broker is left to its default, and the broker listens on loopback only."""
    settings = mosquitto_settings(profile)
    assert settings | LIMITS | saving == settings
    assert settings["listener"].endswith(" 127.0.0.1")
