"""Puts the worked example (rules/, remedies/, care/, knowledge/) into the wheel; all else stands in pyproject.toml."""

from __future__ import annotations

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

EXAMPLE = ("rules", "remedies", "care", "knowledge")


class BuildWithExample(build_py):  # type: ignore[misc]  # setuptools ships no types we could check against
    """An ordinary build that also copies the example to vorab/example/; an editable install reads it in place."""

    def run(self) -> None:
        """Build the packages, then copy every file of the example folders."""
        super().run()
        if self.editable_mode:
            return
        for folder in EXAMPLE:
            for source in sorted(Path(folder).rglob("*")):
                if source.is_file():
                    target = Path(self.build_lib) / "vorab" / "example" / source
                    self.mkpath(str(target.parent))
                    self.copy_file(str(source), str(target))


setup(cmdclass={"build_py": BuildWithExample})
