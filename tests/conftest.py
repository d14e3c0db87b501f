"""Set-up of every test: the fixtures of the real parts, and Hypothesis profiles."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.parts.again", "tests.parts.lanes", "tests.parts.fixtures"]

# The same examples in every run: a red build must mean a change, not luck. `make quick` tries fewer of them,
# `HYPOTHESIS_PROFILE=search` looks further.
# None of them counts seconds: neither those of an example (`deadline`) nor those of making the first few (`too_slow`).
_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("house", _PATIENT, derandomize=True, max_examples=100)
settings.register_profile("quick", _PATIENT, derandomize=True, max_examples=25)
settings.register_profile("search", _PATIENT, max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "house"))


@pytest.fixture(scope="module", autouse=True)
def _leaks_are_told_where_they_happen() -> Iterator[None]:
    """A socket or file left open fails a test of the module that left it, not whichever test the garbage collector meets next."""
    yield
    gc.collect()
