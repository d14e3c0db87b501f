"""`vorab notify`: what a message would look like, before anybody gets one; the key that signs those to browsers; whose account it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from vorab.cli.options import Config, Json
from vorab.errors import ConfigError
from vorab.records import Channel, Stage

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    help="Look at messages before anybody gets one; the key for browsers.",
)


@app.callback()
def notify() -> None:
    """Look at messages before anybody gets one; the key for those to browsers."""


@app.command()
def preview(
    stage: Annotated[Stage, typer.Argument(help="What is told.")],
    *,
    language: Annotated[Literal["de", "en"], typer.Option(help="In which language.")] = "de",
    channel: Annotated[Channel, typer.Option(help="By which channel.")] = Channel.MAIL,
    name: Annotated[str, typer.Option(help="What the device is called.", show_default="Pump 7")] = "",
    person: Annotated[str, typer.Option(help="Whom it is for.", show_default="Erika Muster")] = "",
    model: Annotated[str, typer.Option(help="Model, as in machines.yaml.")] = "heat-pump",
    cause: Annotated[str, typer.Option(help="Cause, as in causes.yaml.")] = "low_pressure",
    out: Annotated[Path | None, typer.Option(help="File to write: .pdf for a letter; .eml or .html for a mail.")] = None,
    config: Config = None,
) -> None:
    """Show a message in your words, with a made-up customer and a made-up code. Nothing is sent.

    Examples:
        vorab notify preview healed --language en --channel sms
        vorab notify preview consent --channel letter --out letter.pdf
    """
    from notifier import preview as look
    from notifier.words import load_words
    from vorab import settings

    found = settings.load(config)
    words = load_words(Path(found.notifier.words) if found.notifier.words else None)
    message = look.message_of(look.Sample(stage, language, name, person, model, cause), words)
    sender = found.notifier.sender
    if channel is Channel.LETTER:
        from notifier.letter_pdf import letter
        from notifier.ways import letterhead_of

        if out is None:
            raise ConfigError("a letter is a PDF file", key="--out", hint="--out letter.pdf")
        content = letter(letterhead_of(found), look.ADDRESS, message, look.SAMPLE.of(message.case))
    elif out is not None and out.suffix == ".eml":
        content = look.mail_file(message, sender)
    elif out is not None and out.suffix == ".html":
        content = message.html.encode()
    else:
        content = look.shown(channel, message, sender).encode("utf-8", "replace")
    if out is None:
        typer.echo(content.decode(), nl=False)
        return
    try:
        out.write_bytes(content)
    except OSError as error:
        raise ConfigError(f"cannot write: {error.strerror}", file=str(out), key="--out") from None
    typer.echo(f"{out}: {len(content)} bytes")


@app.command()
def keys(*, as_json: Json = False, config: Config = None) -> None:
    """Show the key messages to browsers are signed with (VAPID); made if there is none yet. The private half is never shown.

    Keep the file: without it nobody who asked to be told on a device hears anything there, until they ask again.

    Examples:
        vorab notify keys
        vorab notify keys --json
    """
    from notifier.vapid import key_file, keys_in
    from vorab import settings

    found = settings.load(config)
    file = key_file(found)
    made, pair = not file.exists(), keys_in(file)
    if as_json:
        typer.echo(json.dumps({"file": str(file), "public_key": pair.browsers, "made": made, "on": bool(found.notifier.web_push.contact)}))
        return
    typer.echo(f"{file} ({'made just now' if made else 'as it was'}, readable by its owner only)")
    typer.echo(f"public key: {pair.browsers}")
    if not found.notifier.web_push.contact:
        typer.echo('Web Push is off. notifier.web_push.contact = "push@example.org" turns it on.')


@app.command()
def token(
    customer: Annotated[str, typer.Argument(help="Id of the customer, or tenant/customer.")],
    *,
    bot: Annotated[str, typer.Option(help="Name of your Telegram bot: prints a link that opens it.")] = "",
    config: Config = None,
) -> None:
    """Print what a customer sends once, in private, from an account of theirs: from then on replies from there are theirs.

    Give it to nobody else. It is the same each time, as long as link_secret is.

    Examples:
        vorab notify token c-5f3a9c
        vorab notify token c-5f3a9c --bot acme_service_bot
    """
    from notifier.inbound.accounts import token_of
    from notifier.ways import codes_of
    from vorab import settings
    from vorab.registry.kinds import full_key

    made = token_of(codes_of(settings.load(config)).secret, full_key(customer))
    typer.echo(f"https://t.me/{bot}?start={made}" if bot else made)
