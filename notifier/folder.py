"""A folder of messages: each a file, whole or not at all, once per notification."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from notifier.channels import Outcome, Result

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]")


class Folder:
    """Writes `<notification>.<suffix>`; a file that is there already is left as it is."""

    def __init__(self, folder: Path, suffix: str) -> None:
        self._folder, self._suffix = folder, suffix
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, notification: str) -> Path:
        """Where the file of a notification stands."""
        # Ids come from the log: whatever they hold, the file stays in its folder.
        return self._folder / f"{_UNSAFE.sub('_', notification).lstrip('.')}.{self._suffix}"

    def write(self, notification: str, content: bytes) -> Result:
        """Write a file, on disk before it has its name."""
        target = self.path(notification)
        temporary = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(temporary, target)  # unlike rename, it never replaces a file
            except FileExistsError:
                return Result(Outcome.SENT, "was there already")
            finally:
                temporary.unlink(missing_ok=True)
        except OSError as error:
            return Result(Outcome.LATER, f"folder: {error.strerror}")
        return Result(Outcome.SENT)

    def forget(self, notification: str) -> None:
        """Delete the file, if there is one."""
        self.path(notification).unlink(missing_ok=True)
