"""How well replies are understood: rows that were written by hand, cross-validation over the examples, and what corrections are worth."""

from __future__ import annotations

import time
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from vorab.understanding import EFFECTS, Example, Flag, Intent, Recogniser, Route, Understood, examples_of, recogniser
from vorab.understanding.reading import shipped
from vorab.understanding.training import learn_all

RIGHT: Final = 0.90
WRONGLY_AUTOMATED: Final = 0.01
RECALL: Final = 0.98
MUST_FIND: Final = (Flag.MONEY, Flag.LAW, Flag.ANGER)
"""Flags whose missing is the costly mistake."""
FOLDS: Final = 5
"""Of the rows, when corrections are taken in."""
PERSON: Final = "(person)"

Judged = Sequence[tuple[Example, Understood]]


class Score(NamedTuple):
    """How one row did."""

    right: bool
    wrongly_automated: bool


def score(row: Example, said: Understood) -> Score:
    """Right: a person where one is due, else intent and bot. Wrongly automated: the bot where a person is due, or a wrong effect."""
    bot = said.route is Route.BOT
    if row.route is Route.HUMAN:
        return Score(not bot, bot)
    right = bot and said.intent is row.intent
    return Score(right, bot and not right and said.intent in EFFECTS)


def judged(rows: Sequence[Example], how: Recogniser) -> list[tuple[Example, Understood]]:
    """Each row and what it is taken for."""
    return [(row, how.understand(row.text, row.language)) for row in rows]


def figures(found: Judged) -> dict[str, Any]:
    """The figures the bars are about."""
    scores = [score(row, said) for row, said in found]
    recall: dict[str, dict[str, Any]] = {}
    held = True
    for flag in Flag:
        due = [flag in said.flags for row, said in found if flag in row.flags]
        share = sum(due) / len(due) if due else None
        recall[str(flag)] = {"of": len(due), "recall": None if share is None else round(share, 4)}
        held = held and (flag not in MUST_FIND or share is None or share >= RECALL)
    right, wrongly = (sum(each) / len(found) for each in zip(*scores, strict=True)) if found else (0.0, 0.0)
    return {
        "rows": len(found),
        "right": round(right, 4),
        "wrongly_automated": round(wrongly, 4),
        "recall": recall,
        "ok": bool(found) and right >= RIGHT and wrongly <= WRONGLY_AUTOMATED and held,
    }


def confusion(found: Judged) -> dict[str, dict[str, int]]:
    """What is due → what is done → how often; all that goes to a person is one."""
    table: dict[str, Counter[str]] = {}
    for row, said in found:
        due = PERSON if row.route is Route.HUMAN else str(row.intent)
        done = PERSON if said.route is Route.HUMAN else str(said.intent)
        table.setdefault(due, Counter())[done] += 1
    return {due: dict(sorted(done.items())) for due, done in sorted(table.items())}


def corrected(rows: Sequence[Example], how: Recogniser) -> dict[str, Any]:
    """Before and after an agent corrected what was wrong in the other folds; no row is judged by a model that was told of it."""
    before, after, corrections = [], [], 0
    for fold in range(FOLDS):
        told = [row for row in rows if _fold(row, FOLDS) != fold]
        mine = [row for row in rows if _fold(row, FOLDS) == fold]
        wrong = [row for row, said in judged(told, how) if not score(row, said).right or set(row.flags) - set(said.flags)]
        corrections += len(wrong)
        before += judged(mine, how)
        after += judged(mine, how.taught(wrong))
    keys = ("right", "wrongly_automated")
    return {
        "folds": FOLDS,
        "corrections_per_fold": round(corrections / FOLDS, 1),
        "before": {key: figures(before)[key] for key in keys},
        "after": {key: figures(after)[key] for key in keys},
    }


def cross_validated(folds: int, progress: Callable[[str], None]) -> dict[str, Any]:
    """The shipped examples, each judged by a model that learned from the others."""
    examples = shipped()
    found: list[tuple[Example, Understood]] = []
    for fold in range(folds):
        progress(f"learning fold {fold + 1} of {folds}")
        how = Recogniser(learn_all([each for each in examples if _fold(each, folds) != fold]))
        found += judged([each for each in examples if _fold(each, folds) == fold], how)
    return {"folds": folds, **figures(found), "confusion": confusion(found)}


def _fold(row: Example, folds: int) -> int:
    return zlib.crc32(row.text.encode()) % folds


def run(data: Path | None = None, folds: int = 0, *, progress: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Rows of a file, or cross-validation, or both; the bars are about the rows where there are any."""
    found: dict[str, Any] = {"bench": "understanding"}
    if data is not None:
        how, rows = recogniser(), examples_of(data)
        how.understand("warm")
        begun = time.process_time()
        said = judged(rows, how)
        spent = time.process_time() - begun
        found |= {**figures(said), "ms_a_reply": round(spent / max(1, len(rows)) * 1e3, 3), "confusion": confusion(said)}
        found["wrong"] = [_wrong(row, each) for row, each in said if not score(row, each).right or set(row.flags) - set(each.flags)]
        found["corrections"] = corrected(rows, how)
    if folds:
        found["cross_validation"] = cross_validated(folds, progress)
    found["bars"] = {"right": RIGHT, "wrongly_automated": WRONGLY_AUTOMATED, "recall": dict.fromkeys(MUST_FIND, RECALL)}
    found.setdefault("ok", found.get("cross_validation", {}).get("ok", False))
    return found


def _wrong(row: Example, said: Understood) -> dict[str, Any]:
    return {
        "text": row.text,
        "due": f"{row.intent} {row.route}",
        "done": f"{said.intent} {said.route}",
        "missed": sorted(set(row.flags) - set(said.flags)),
        "wrongly_automated": score(row, said).wrongly_automated,
        "why": list(said.why),
    }


def table(found: dict[str, Any]) -> str:
    """A page for a terminal."""
    lines: list[str] = []
    for title, part in (
        ("rows", found if "rows" in found else None),
        ("cross-validation over the examples", found.get("cross_validation")),
    ):
        if part is not None:
            lines += [*_part(title, part), ""]
    if "corrections" in found:
        told = found["corrections"]
        lines += [f"corrections of what was wrong in the other folds ({told['corrections_per_fold']:g} a fold, {told['folds']} folds)"]
        lines += [
            f"  {when:8}right {told[when]['right']:.4f}  wrongly automated {told[when]['wrongly_automated']:.4f}"
            for when in ("before", "after")
        ]
        lines += [""]
    for each in found.get("wrong", ()):
        mark = "!!" if each["wrongly_automated"] else "  "
        missed = f" missed {', '.join(each['missed'])}" if each["missed"] else ""
        lines.append(f"{mark} {each['due']} → {each['done']}{missed}: {' '.join(each['text'].split())[:100]}")
    lines.append(
        f"bars: right at least {RIGHT}, wrongly automated at most {WRONGLY_AUTOMATED}, recall of {', '.join(MUST_FIND)} at least {RECALL}: "
        + ("held" if found["ok"] else "not held")
    )
    return "\n".join(lines)


def _part(title: str, part: dict[str, Any]) -> list[str]:
    recalls = "  ".join(f"{flag} {each['recall']:.3f} of {each['of']}" for flag, each in part["recall"].items() if each["of"])
    pace = f"  {part['ms_a_reply']} ms a reply" if "ms_a_reply" in part else ""
    head = f"{title}: {part['rows']}  right {part['right']:.4f}  wrongly automated {part['wrongly_automated']:.4f}{pace}"
    names = [*(str(intent) for intent in Intent if intent not in {Intent.HUMAN, Intent.OTHER}), PERSON]
    shown = [name for name in names if name in part["confusion"] or any(name in row for row in part["confusion"].values())]
    short = {name: name[:7] for name in shown} | {PERSON: "person"}
    lines = [head, f"recall: {recalls}", "", f"{'due / done':14}" + "".join(f"{short[name]:>8}" for name in shown)]
    for due in shown:
        row = part["confusion"].get(due, {})
        lines.append(f"{due:14}" + "".join(f"{row.get(done) or '·':>8}" for done in shown))
    return lines
