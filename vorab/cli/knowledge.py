"""`vorab knowledge`: check, search and show the articles agents are helped by."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vorab.errors import EXIT_PROBLEMS, ConfigError

if TYPE_CHECKING:
    from vorab.knowledge import Article, Library

app = typer.Typer(help="Check, search and show articles.", no_args_is_help=True, rich_markup_mode="rich", add_completion=False)

Config = Annotated[Path | None, typer.Option(help="Settings file.", show_default="vorab.toml")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document.")]
LANGUAGES = ("en", "de")


@app.command()
def check(
    files: Annotated[list[Path] | None, typer.Argument(help="Articles or folders of them; none: those of the settings.")] = None,
    *,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Name every mistake with file, line and reason. Exit code 1 where there is one.

    Examples:
        vorab knowledge check
        vorab knowledge check my-words/articles/ --json
    """
    from streams.cases.remedies import load_policy
    from vorab import settings
    from vorab.cli.registry_said import count
    from vorab.knowledge import check_articles, folder_of

    found = settings.load(config)
    for file in files or ():
        if not file.exists():
            raise ConfigError("there is no such article or folder", file=str(file))
    checked = check_articles(files or [folder_of(found.notifier.words)], set(load_policy(found.streams.remedies).remedies))
    if as_json:
        problems = [each._asdict() for each in checked.problems]
        typer.echo(json.dumps({"files": checked.files, "articles": [each.id for each in checked.articles], "problems": problems}))
    else:
        for problem in checked.problems:
            typer.echo(str(problem))
        said = f"{count(len(checked.articles), 'article')} in {count(len(checked.files), 'file')}"
        typer.echo(f"{said}: {count(len(checked.problems), 'problem')}" if checked.problems else f"{said}: fine")
    if checked.problems:
        raise typer.Exit(EXIT_PROBLEMS)


@app.command()
def search(
    query: Annotated[list[str], typer.Argument(help="What you would say, in English or German.")],
    *,
    model: Annotated[str, typer.Option(help="Only about this model.")] = "",
    cause: Annotated[str, typer.Option(help="Only about this cause, as rules name it.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 5,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Find articles, the best first. Exit code 1 where nothing fits.

    Examples:
        vorab knowledge search pump shakes
        vorab knowledge search "Wärmepumpe heizt nicht" --cause low_pressure
        vorab knowledge search blasse Ausdrucke --json
    """
    found = _library(config).search(" ".join(query), model=model, cause=cause, limit=limit)
    if as_json:
        typer.echo(json.dumps([{"score": round(each.score, 6), **each.article.plain()} for each in found], ensure_ascii=False))
    else:
        wide = max((len(each.article.id) for each in found), default=0)
        for each in found:
            typer.echo(f"{each.article.id:{wide}}  {each.article.title.en}  ({', '.join(each.article.models)})")
        if not found:
            typer.echo("nothing fits")
    if not found:
        raise typer.Exit(EXIT_PROBLEMS)


@app.command()
def show(
    article: Annotated[str, typer.Argument(metavar="ID", help="As `search` names it.")],
    *,
    language: Annotated[str, typer.Option(help="Of the words for the customer: en or de.")] = "en",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show an article.

    Examples:
        vorab knowledge show pump-worn-bearing
        vorab knowledge show pump-worn-bearing --language de
    """
    if language not in LANGUAGES:
        raise ConfigError(f"articles do not speak {language!r}", key="--language", hint=f"it may be {' or '.join(LANGUAGES)}")
    found = _library(config).articles.get(article)
    if found is None:
        typer.echo(f"there is no article {article}\n  `vorab knowledge search WORDS` finds what there is", err=True)
        raise typer.Exit(EXIT_PROBLEMS)
    typer.echo(json.dumps(found.plain(), ensure_ascii=False) if as_json else page(found, language))


def page(article: Article, language: str) -> str:
    """An article for a terminal."""
    title, customer, tip = (getattr(part, language) for part in (article.title, article.customer, article.prevention))
    rows = {
        "models": ", ".join(article.models),
        "causes": ", ".join(article.causes),
        "remedy": article.remedy.replace("_", " "),
        "part": article.part,
        "customer": customer,
        "prevention": tip,
    }
    said = "\n".join(f"{name:12}{value}" for name, value in rows.items() if value)
    return f"{title}\n\n{said}\n\n{article.body}"


def _library(config: Path | None) -> Library:
    from vorab import settings
    from vorab.knowledge import Library, folder_of, load_articles

    return Library(load_articles(folder_of(settings.load(config).notifier.words)))
