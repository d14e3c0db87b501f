"""What each part of the learned detector is worth, and how much hangs on each setting: `python -m vorab.bench.nab_study DATA [WHAT]`.

WHAT is `ablation` (one part taken away at a time) or `neighbours` (every setting 10 % up and down). One JSON line per variant: the
standard score at the shipped threshold, with the range given and with the own one, and the difference to the shipped settings.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final

from streams.detectors.surprise_config import SurpriseConfig
from vorab.bench.nab import listen
from vorab.bench.nab_score import Referee, load

SHIPPED: Final = SurpriseConfig()
WITHOUT: Final[dict[str, dict[str, Any]]] = {
    "the average of the value": {"mean_weight": 0.0},
    "averages of the surprise": {"middle_speed": 1.0, "slow_speed": 1.0, "slow_weight": 1.0},
    "the slow average": {"slow_weight": 0.0},
    "the longer lag": {"far_weight": 0.0},
    "holding back": {"hold": 0},
    "forgetting of records": {"forget": 1e12, "mean_forget": 1e12},
    "the margin": {"margin": 1e-6},
    "plain rarity": {"rarity": 0.0},
    "moves, only plain rarity": {"rarity": 1.0},
    "neighbour cells": {"neighbour": 0.0},
    "headroom": {"headroom": 0.0},
    "halving of counts": {"most": 65_535},
}


def neighbours() -> Iterator[tuple[str, SurpriseConfig]]:
    """Every setting 10 % up and down, whole numbers by one at least."""
    for field in fields(SHIPPED):
        value = getattr(SHIPPED, field.name)
        for sign in (-1, 1):
            factor = 1.0 + 0.1 * sign
            change: dict[str, Any] = {field.name: value * factor if isinstance(value, float) else value + sign * max(round(0.1 * value), 1)}
            yield f"{field.name} {sign:+d}0 %", replace(SHIPPED, **change)


def ablations() -> Iterator[tuple[str, SurpriseConfig]]:
    """One part taken away at a time."""
    for name, change in WITHOUT.items():
        yield f"without {name}", replace(SHIPPED, **change)


def main(data: Path, what: str = "ablation") -> None:
    """Print one line per variant, the shipped settings first."""
    corpus = load(data)
    referee = Referee(corpus)

    def scores(config: SurpriseConfig) -> list[float]:
        return [referee.at(listen(corpus, config, given=given), "standard", config.margin).score for given in (True, False)]

    shipped = scores(SHIPPED)
    sys.stdout.write(json.dumps({"variant": "shipped", "given": round(shipped[0], 2), "own": round(shipped[1], 2)}) + "\n")
    for name, config in ablations() if what == "ablation" else neighbours():
        given, own = scores(config)
        line = {"variant": name, "given": round(given, 2), "own": round(own, 2)}
        line |= {"given_change": round(given - shipped[0], 2), "own_change": round(own - shipped[1], 2)}
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
