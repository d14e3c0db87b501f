"""What users install: a wheel holds every file of the product, and the example is found in it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Final

import pytest

from tests.parts.base import REPOSITORY

PACKAGES: Final = ("vorab", "ingest", "streams", "notifier", "desk")
EXAMPLE: Final = ("rules", "remedies", "care", "knowledge")


def product_files() -> set[str]:
    """Files of the product as they should stand in the wheel."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *PACKAGES, *EXAMPLE],
        cwd=REPOSITORY,
        capture_output=True,
        check=True,
    )
    names = {name for name in listed.stdout.decode().split("\0") if name and (REPOSITORY / name).exists()}
    return {f"vorab/example/{name}" if name.partition("/")[0] in EXAMPLE else name for name in names}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy of the tree, without the network."""
    tree, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("wheel")
    for name in (*PACKAGES, *EXAMPLE):
        if (REPOSITORY / name).is_dir():
            shutil.copytree(REPOSITORY / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE"):
        if (REPOSITORY / file).exists():
            shutil.copy(REPOSITORY / file, tree)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([*build, "--wheel-dir", str(out), str(tree)], check=True)
    return next(out.glob("*.whl"))


def test_the_wheel_holds_the_product_and_the_example(wheel: Path) -> None:
    """No template, style sheet, rule or recording is forgotten, and no test or benchmark slips in."""
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == product_files()


def test_an_installed_wheel_finds_the_example(wheel: Path, tmp_path: Path) -> None:
    """Away from the checkout, `vorab.example.folder` gives the rules that came with the wheel."""
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = "import vorab.example as e; print(e.folder('rules'))"
    run = [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = [{str(tmp_path)!r}]; {code}"]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()) == tmp_path / "vorab" / "example" / "rules"
