"""Reading articles: Markdown with YAML front matter in, `Article` out, every mistake named with file and line."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml
from pydantic import ValidationError

from vorab.errors import ConfigError
from vorab.knowledge.article import HAND, MAX_BODY, Article, Front, foreign
from vorab.words import knowledge_folder, load_words

FENCE: Final = "---"


class Problem(NamedTuple):
    """A mistake, and where it stands."""

    file: str
    line: int
    key: str
    what: str
    hint: str = ""

    def __str__(self) -> str:
        """As compilers say it."""
        return f"{self.file}:{self.line}: {f'{self.key}: ' if self.key else ''}{self.what}{f' ({self.hint})' if self.hint else ''}"


class Checked(NamedTuple):
    """What was read, and what is wrong with the rest."""

    files: list[str]
    articles: list[Article]
    problems: list[Problem]


def folder_of(words: str) -> Path:
    """Where articles stand: in `articles` beside causes.yaml, in the folder of the setting or the worked example's."""
    return (Path(words) if words else knowledge_folder()) / "articles"


def load_articles(folder: Path) -> list[Article]:
    """The articles of a folder; none where there is no such folder.

    Raises:
        ConfigError: the first mistake, with file and line.
    """
    found = check_articles([folder] if folder.is_dir() else [])
    for problem in found.problems:
        raise ConfigError(problem.what, file=problem.file, line=problem.line, key=problem.key, hint=problem.hint)
    return found.articles


def check_articles(paths: Sequence[Path], remedies: Collection[str] | None = None) -> Checked:
    """The articles in files and folders, and every mistake; `remedies` are those that can be named, where they are known."""
    files = [file for path in paths for file in (sorted(path.glob("*.md")) if path.is_dir() else [path])]
    articles, problems = [], []
    where: dict[str, str] = {}
    known = {folder: (_names(folder, "causes"), _names(folder, "machines")) for folder in {file.parent.parent for file in files}}
    for file in files:
        found = _Reading(file)
        article = found.article()
        if article is not None:
            causes, models = known[file.parent.parent]
            found.names("causes", article.causes, causes)
            found.names("models", article.models, models)
            if remedies is not None and article.remedy not in {HAND, *remedies}:
                found.wrong(("remedy",), f"there is no remedy {article.remedy}", f"it may be {', '.join(sorted({HAND, *remedies}))}")
            if article.id in where:
                found.wrong(("id",), f"{article.id} is written twice", f"the other one is in {where[article.id]}")
            where.setdefault(article.id, str(file))
            articles.append(article)
        problems += found.problems
    return Checked([str(file) for file in files], articles, problems)


def _names(folder: Path, what: str) -> Collection[str]:
    """The causes or machines that the words beside the articles name; empty where nobody wrote any."""
    if not (folder / f"{what}.yaml").is_file():
        return ()
    return set(getattr(load_words(folder), what)) - {"other"}


class _Reading:
    """One file, and what is wrong with it."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self._node: yaml.Node | None = None

    def article(self) -> Article | None:
        """What it says; None where that cannot be told."""
        try:
            lines = self.file.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            self._add(0, "", str(error.strerror))
            return None
        except UnicodeDecodeError:
            self._add(0, "", "not UTF-8")
            return None
        if not lines or lines[0].strip() != FENCE:
            self._add(1, "", "no front matter", f"an article begins with a line {FENCE}")
            return None
        end = next((number for number, line in enumerate(lines[1:], 1) if line.strip() == FENCE), None)
        if end is None:
            self._add(1, "", "the front matter does not end", f"a line {FENCE} ends it")
            return None
        self._body(lines, end)
        values = self._front("\n".join(lines[1:end]))
        body = "\n".join(lines[end + 1 :]).strip()
        return Article(**values, body=body, file=str(self.file)) if values is not None and body else None

    def _front(self, text: str) -> Mapping[str, Any] | None:
        try:
            self._node = yaml.compose(text, Loader=yaml.SafeLoader)
            values: Any = yaml.safe_load(text)
            front = Front.model_validate(values or {})
        except yaml.MarkedYAMLError as error:
            self._add(error.problem_mark.line + 2 if error.problem_mark else 1, "", f"not valid YAML: {error.problem}")
            return None
        except ValidationError as error:
            for each in error.errors(include_url=False, include_context=False, include_input=False):
                unknown = each["type"] == "extra_forbidden"
                what = "there is no such key" if unknown else each["msg"].removeprefix("Value error, ")
                self.wrong(each["loc"], what, "inside {}, text with a comma or a colon needs quotes" if unknown else "")
            return None
        if front.id != self.file.stem:
            self.wrong(("id",), f"{front.id} is not the name of the file", f"call the file {front.id}.md")
        return front.model_dump()

    def _body(self, lines: Sequence[str], end: int) -> None:
        body = lines[end + 1 :]
        if not any(line.strip() for line in body):
            self._add(end + 1, "", "it does not say what to do", "write it below the front matter")
        if sum(map(len, body)) > MAX_BODY:
            self._add(end + 2, "", f"longer than {MAX_BODY} characters", "make two articles of it")
        for number, line in enumerate(body, end + 2):
            if mark := foreign(line):
                self._add(number, "", f"{mark} is not shown", "headings, lists and paragraphs are")

    def names(self, key: str, found: Sequence[str], known: Collection[str]) -> None:
        """Every name that nobody knows is a mistake, except patterns."""
        for i, name in enumerate(found):
            if known and name not in known and not set(name) & set("*?["):
                self.wrong((key, i), f"{key} has {name}, and {_file_of(key)} does not", f"it may be {', '.join(sorted(known))}")

    def wrong(self, path: Sequence[str | int], what: str, hint: str = "") -> None:
        """A mistake in the front matter, at the deepest place of the path that stands in the file."""
        self._add(_line_of(self._node, path) + 1, ".".join(map(str, path)), what, hint)

    def _add(self, line: int, key: str, what: str, hint: str = "") -> None:
        self.problems.append(Problem(str(self.file), line, key, what, hint))


def _file_of(key: str) -> str:
    return "causes.yaml" if key == "causes" else "machines.yaml"


def _line_of(node: yaml.Node | None, path: Sequence[str | int]) -> int:
    # A missing key is reported where its mapping begins.
    line = 0
    for place in _places(node, path):
        line = place
    return line or 1


def _places(node: yaml.Node | None, path: Sequence[str | int]) -> Iterator[int]:
    for part in path:
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            yield node.start_mark.line + 1
        elif isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == str(part)), None)
            if found is None:
                return
            yield found[0].start_mark.line + 1
            node = found[1]
