"""Articles: what comes with vorab is whole, and every mistake is named with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.cases.remedies import load_policy
from streams.rules.files import default_folder, load_rules
from tests.parts.base import REPOSITORY
from vorab.errors import ConfigError
from vorab.knowledge import Problem, check_articles, folder_of, load_articles
from vorab.knowledge.article import Article, Front

GOOD = """\
---
id: wet-floor
title: {en: The floor is wet, de: Der Boden ist nass}
models: [pump]
causes: [leak]
remedy: by_hand
customer:
  en: Water has come out. Please keep away from it.
  de: Es ist Wasser ausgetreten. Bitte halten Sie Abstand.
prevention: {en: Look at the seals., de: Sehen Sie nach den Dichtungen.}
part: W-1
---
It leaks.

## What to do
1. Close the valve,
   and wait.
2. Look.
- Mop.
"""


def written(folder: Path, text: str = GOOD, name: str = "wet-floor") -> Path:
    """A folder of one article, beside the words of one cause and one model."""
    (folder / "causes.yaml").write_text('leak: {en: {noun: a leak, was: "x", is: "y"}}', encoding="utf-8")
    (folder / "machines.yaml").write_text("pump: {en: {noun: pump}}", encoding="utf-8")
    (folder / "articles").mkdir(exist_ok=True)
    (folder / "articles" / f"{name}.md").write_text(text, encoding="utf-8")
    return folder / "articles"


def test_the_articles_that_come_with_vorab_are_whole() -> None:
    """Six at least, for all three models, with remedies that exist, in both languages."""
    found = check_articles([folder_of("")], set(load_policy().remedies))

    assert found.problems == []
    assert len(found.articles) >= 6
    assert {model for article in found.articles for model in article.models} >= {"pump", "printer", "heat-pump"}


def test_every_cause_the_rules_of_the_example_find_has_an_article() -> None:
    """No agent is left alone with a finding of the worked example."""
    articles = load_articles(folder_of(""))
    files = [default_folder() / f"{model}.yaml" for model in ("pump", "printer", "heat-pump")]
    missing = [
        (file.stem, rule.cause)
        for file in files
        for rule in load_rules([file])
        if not any(each.about(file.stem, rule.cause) for each in articles)
    ]

    assert missing == []


def test_an_article_is_read_as_written(tmp_path: Path) -> None:
    """Front matter and body, and the body in pieces a page can show."""
    [article] = load_articles(written(tmp_path))

    assert (article.id, article.title.de, article.part, article.customer.en[:5]) == ("wet-floor", "Der Boden ist nass", "W-1", "Water")
    assert [*article.blocks()] == [
        ("text", ("It leaks.",)),
        ("heading", ("What to do",)),
        ("steps", ("Close the valve, and wait.", "Look.")),
        ("points", ("Mop.",)),
    ]


@pytest.mark.parametrize(
    ("wrong", "right", "line", "what"),
    [
        ("wet-floor\n", "Wet Floor\n", 2, "pattern"),
        ("id: wet-floor\n", "id: dry-floor\n", 2, "is not the name of the file"),
        (", de: Der Boden ist nass", "", 3, "Field required"),
        ("[pump]", "[pump, boat]", 4, "models has boat, and machines.yaml does not"),
        ("[leak]", "[leek]", 5, "causes has leek, and causes.yaml does not"),
        ("by_hand", "prayer", 6, "there is no remedy prayer"),
        ("Please keep away from it.", "Keep away!", 8, "no exclamation mark"),
        ("Bitte halten Sie Abstand.", "Bitte " * 70, 9, "words; at most 60"),
        ("prevention: {en: Look at the seals., de: Sehen Sie nach den Dichtungen.}\n", "", 2, "Field required"),
        ("part: W-1", "parts: W-1", 11, "there is no such key"),
        ("part: W-1", "part: [W-1", 11, "not valid YAML"),
        ("It leaks.", "<b>It leaks.</b>", 13, "is not shown"),
        ("---\nid", "--\nid", 1, "no front matter"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, wrong: str, right: str, line: int, what: str) -> None:
    """Each of these is found where it stands; without it there is nothing to find."""
    assert check_articles([written(tmp_path)], {"restart"}).problems == []
    [problem] = check_articles([written(tmp_path, GOOD.replace(wrong, right, 1))], {"restart"}).problems

    assert (problem.line, what in problem.what) == (line, True), problem


def test_an_article_without_a_body_says_nothing(tmp_path: Path) -> None:
    """Front matter alone helps nobody."""
    text = GOOD[: GOOD.index("It leaks")]
    assert [(each.line, each.what) for each in check_articles([written(tmp_path, text)]).problems] == [(12, "it does not say what to do")]


def test_an_article_written_twice_is_found(tmp_path: Path) -> None:
    """Verdicts are counted under the id, so it names one article."""
    folder = written(tmp_path)
    written(tmp_path, name="wet-floor-2")
    problems = check_articles([folder]).problems

    assert [problem.what for problem in problems] == ["wet-floor is not the name of the file", "wet-floor is written twice"]
    assert {problem.line for problem in problems} == {2}


def test_a_mistake_stops_who_needs_the_articles(tmp_path: Path) -> None:
    """The desk does not start on half of them, and says file and line."""
    with pytest.raises(ConfigError) as caught:
        load_articles(written(tmp_path, GOOD.replace("[leak]", "[leek]")))

    assert (caught.value.line, Path(caught.value.file).name) == (5, "wet-floor.md")


def test_no_folder_is_no_article(tmp_path: Path) -> None:
    """Who has words of their own and no articles has none; ours are about our machines."""
    assert load_articles(tmp_path / "articles") == []
    assert folder_of(str(tmp_path)) == tmp_path / "articles"


def test_the_page_names_every_key() -> None:
    """What an article may say stands in docs/knowledge.md as the code has it."""
    page = (REPOSITORY / "docs" / "knowledge.md").read_text(encoding="utf-8")
    rows = [f"| `{name}` | {'' if info.is_required() else 'Optional. '}{info.description} |" for name, info in Front.model_fields.items()]

    assert [row for row in rows if row not in page] == []


def test_a_problem_reads_like_a_compilers() -> None:
    """Editors jump to it."""
    assert str(Problem("a.md", 3, "id", "is wrong", "write it right")) == "a.md:3: id: is wrong (write it right)"


def test_an_article_is_about_what_its_patterns_say(tmp_path: Path) -> None:
    """Models and causes both have to fit."""
    [article] = load_articles(written(tmp_path, GOOD.replace("[pump]", '["*"]')))
    assert isinstance(article, Article)

    assert [article.about(*case) for case in (("boat", "leak"), ("pump", "leak"), ("pump", "heat"))] == [True, True, False]
