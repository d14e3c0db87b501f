"""How a parallel run (`-n 2`) shares out the tests: those with real parts in lanes, each on one worker and in order, the others by file.

A broker that is started once per lane serves all its tests, and no two of them fight over the processor with more than one other.
"""

from __future__ import annotations

from typing import Any, Final

import pytest
from xdist.scheduler import LoadScopeScheduling

LANES: Final = {"acceptance": "stories", "chaos": "stories", "browser": "stories", "contract": "parts", "integration": "parts"}
"""Folder → lane."""


def lane_of(name: str) -> str:
    """The lane of a test by its id, or its file."""
    file = name.partition("::")[0]
    _, _, rest = file.partition("/")
    return LANES.get(rest.partition("/")[0], file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Lanes first, since they are the longest; then file by file."""
    config.option.loadscopereorder = False
    shared: Any = LoadScopeScheduling(config, log)
    shared._split_scope = lane_of
    return shared
