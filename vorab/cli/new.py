"""`vorab new`: files to begin with."""

from __future__ import annotations

import importlib.util
import keyword
import re
from pathlib import Path
from string import Template
from typing import Annotated, Final

import typer

from vorab.errors import ConfigError

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode="rich", help="Make files to begin with.")

TEMPLATES: Final = Path(__file__).resolve().parent.parent / "templates" / "decoder"
FILES: Final = {"decoder.py.txt": "{name}.py", "sample.json.txt": "{name}_sample.json", "test.py.txt": "test_{name}.py"}
"""Template and what becomes of it."""


@app.callback()
def _group() -> None:
    """Make files to begin with."""


@app.command()
def decoder(
    name: Annotated[str, typer.Argument(help="Name of the module: letters, digits and _.")],
    *,
    into: Annotated[Path, typer.Option("--dir", help="Folder to write into; made if it is not there.")] = Path(),
) -> None:
    """Write a decoder that works, a sample, and a test with the conformance kit, for payloads that no description fits.

    First see whether a `map`, `packed` or `text` table in the topic map does: docs/formats.md shows them.

    Examples:
        vorab new decoder acme
        vorab new decoder acme --dir decoders
    """
    _check(name)
    files = {source: into / target.format(name=name) for source, target in FILES.items()}
    for file in files.values():
        if file.exists():
            raise ConfigError("it is there already, and nothing is written over", file=str(file), key="NAME", hint="take another name")
    try:
        into.mkdir(parents=True, exist_ok=True)
        for source, file in files.items():
            text = (TEMPLATES / source).read_text(encoding="utf-8")
            file.write_text(Template(text).substitute(name=name), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write: {error.strerror}", file=str(into), key="--dir", hint="name a folder you may write to") from None
    decoder_file, sample, test = files.values()
    typer.echo(f"wrote {decoder_file}, {sample} and {test}\n")
    typer.echo(f"  pytest {test}                    the sample, and thousands of damaged ones")
    typer.echo("  in vorab.toml, beside the module:")
    typer.echo(f'    [[ingest.topic_map]]\n    filter = "{name}/{{device}}/up"\n    decoder = "{name}:rows"')
    typer.echo(f"  vorab ingest try --topic {name}/device-1/up --file {sample}")


def _check(name: str) -> None:
    hint = "for example acme, or acme_meter"
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,60}", name) or keyword.iskeyword(name):
        raise ConfigError(f"{name!r} is no name for a module: small letters, digits and _", key="NAME", hint=hint)
    if importlib.util.find_spec(name) is not None:
        raise ConfigError(f"there is already a module {name!r}, which would be loaded in its place", key="NAME", hint=hint)
