"""Alert rules and scrape settings, read by Prometheus itself and compared with the metrics vorab serves."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.parts.base import REPOSITORY, missing, program
from vorab.metrics import TABLE

DEPLOY: Final = REPOSITORY / "deploy" / "prometheus"
RULES: Final = DEPLOY / "rules" / "vorab.yml"
TESTS: Final = DEPLOY / "tests" / "vorab.yml"


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run promtool; its answer is the test."""
    where = program("promtool")
    if where is None:
        missing("promtool", "`make parts` as root on Debian, or install Prometheus")
    return subprocess.run([where, *arguments], capture_output=True, text=True, check=False)


def alerts() -> list[dict[str, Any]]:
    """Every alert of the shipped rules."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_prometheus_accepts_what_we_ship() -> None:
    """The scrape settings and the rules they name are valid."""
    done = promtool("check", "config", str(DEPLOY / "prometheus.yml"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_fires_on_its_trouble_and_only_then() -> None:
    """The rule tests pass: all quiet when all is well, every alert firing when everything is wrong."""
    done = promtool("test", "rules", str(TESTS))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("vorab_mqtt_connected == 0", "vorab_mqtt_connected == 2"),
        ("vorab_streams_lag_records > 5000", "vorab_streams_lag_records > 5"),
    ],
)
def test_a_blind_or_nervous_alert_is_caught(tmp_path: Path, good: str, bad: str) -> None:
    """Known bad: an alert that never fires and one that always fires both fail the rule tests."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "tests").mkdir()
    (tmp_path / "rules" / "vorab.yml").write_text(RULES.read_text().replace(good, bad))
    tests = tmp_path / "tests" / "vorab.yml"
    tests.write_text(TESTS.read_text())
    assert good in RULES.read_text()
    assert promtool("test", "rules", str(tests)).returncode != 0


def served_names() -> set[str]:
    """Every series name that the table of metrics gives rise to."""
    histogram = {f"{row.name}{end}" for row in TABLE if row.kind == "histogram" for end in ("_bucket", "_sum", "_count")}
    return histogram | {row.name for row in TABLE if row.kind != "histogram"}


def test_alerts_watch_metrics_that_exist() -> None:
    """An alert on a metric that nobody serves would be silent for ever."""
    used = {name for rule in alerts() for name in re.findall(r"\bvorab_[a-z_]+", rule["expr"])}
    assert used - served_names() == set()


def test_every_alert_says_what_to_do_and_is_tried_out() -> None:
    """Each alert has a severity, a summary and an action, and a test that makes it fire."""
    tried = TESTS.read_text()
    for rule in alerts():
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["action"]
        assert f'alertname="{rule["alert"]}"' in tried
