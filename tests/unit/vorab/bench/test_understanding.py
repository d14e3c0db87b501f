"""The measure of understanding: what counts as right, what as wrongly automated, and bars that can be missed."""

from __future__ import annotations

from pathlib import Path

import pytest

from vorab.bench import understanding as bench
from vorab.understanding import Example, Flag, Intent, Recogniser, Route, Understood, examples_of, recogniser
from vorab.understanding.alike import Alike
from vorab.understanding.reading import shipped

VOICES = Path(__file__).resolve().parents[4] / "tests" / "data" / "understanding" / "voices.jsonl"
DEV = Path(__file__).resolve().parents[4] / "tests" / "data" / "understanding" / "dev.jsonl"


def taken(intent: Intent, route: Route = Route.BOT, flags: tuple[Flag, ...] = ()) -> Understood:
    """What a reply was taken for."""
    return Understood(intent, 1.0, flags, route, None, ())


@pytest.mark.parametrize(
    ("row", "said", "right", "wrongly"),
    [
        (Example("", "de", Intent.STOP), taken(Intent.STOP), True, False),
        (Example("", "de", Intent.STOP), taken(Intent.STOP, Route.HUMAN), False, False),
        (Example("", "de", Intent.STOP), taken(Intent.STATUS), False, False),
        (Example("", "de", Intent.STATUS), taken(Intent.STOP), False, True),
        (Example("", "de", Intent.OTHER, (), Route.HUMAN), taken(Intent.STOP, Route.HUMAN), True, False),
        (Example("", "de", Intent.OTHER, (), Route.HUMAN), taken(Intent.STATUS), False, True),
    ],
)
def test_what_is_right_and_what_is_wrongly_automated(row: Example, said: Understood, right: bool, wrongly: bool) -> None:
    """A person too many is wrong, a bot too many is worse."""
    assert bench.score(row, said) == (right, wrongly)


def test_the_rows_written_for_choosing_thresholds_hold_the_bars() -> None:
    """At least 250 replies, none of which was learned from."""
    rows = examples_of(DEV)
    found = bench.figures(bench.judged(rows, recogniser()))

    assert len(rows) >= 250
    assert found["ok"], found


def test_rows_in_other_voices_are_understood_no_worse_than_is_said() -> None:
    """None of them is an example, and the figures are those of docs/understanding.md or better."""
    rows = examples_of(VOICES)
    found = bench.figures(bench.judged(rows, recogniser()))

    assert not {row.text for row in rows} & {each.text for each in shipped()}
    assert found["right"] >= 0.8
    assert found["wrongly_automated"] <= 0.0134


class _Bold(Recogniser):
    def _doubts(self, *_: object) -> list[str]:
        return []

    def _flags(self, *_: object) -> tuple[list[Flag], list[str]]:
        return [], []


def test_a_recogniser_that_answers_everything_is_caught() -> None:
    """Known bad: one that trusts itself always gets more intents right, and must not pass."""
    found = bench.figures(bench.judged(examples_of(DEV), _Bold(recogniser()._trained)))

    assert found["wrongly_automated"] > bench.WRONGLY_AUTOMATED
    assert found["recall"]["law"]["recall"] == 0
    assert not found["ok"]


def test_a_model_without_the_table_of_like_words_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known bad: where no word has a name, what was learned of one dialect does not hold in the next."""
    rows = examples_of(VOICES)
    knows = bench.figures(bench.judged(rows, recogniser()))
    monkeypatch.setattr("vorab.understanding.features.alike", lambda: Alike(()))
    without = bench.figures(bench.judged(rows, recogniser()))

    assert without["right"] < knows["right"] - 0.03


def test_a_recogniser_that_answers_nothing_is_caught() -> None:
    """Known bad: who sends everything to people does no harm, and no good."""
    found = bench.figures([(row, taken(Intent.OTHER, Route.HUMAN, tuple(Flag))) for row in examples_of(DEV)])

    assert found["wrongly_automated"] == 0
    assert not found["ok"]


def test_the_table_says_what_was_missed(tmp_path: Path) -> None:
    """Figures, matrix, corrections and every wrong row on one page."""
    file = tmp_path / "rows.jsonl"
    file.write_text(
        '{"text": "Danke", "language": "de", "intent": "thanks"}\n{"text": "Danke", "language": "de", "intent": "stop"}\n'
        '{"text": "Anwalt", "language": "de", "intent": "other", "flags": ["law"], "route": "human"}\n',
        encoding="utf-8",
    )
    found = bench.run(file)

    assert (found["rows"], found["right"], found["ok"]) == (3, 0.6667, False)
    assert found["confusion"] == {"(person)": {"(person)": 1}, "stop": {"thanks": 1}, "thanks": {"thanks": 1}}
    assert "stop bot → thanks bot: Danke" in bench.table(found)
    assert "not held" in bench.table(found)
