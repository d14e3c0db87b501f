"""`vorab ingest try`: how a payload would be read."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from vorab.cli.options import Config, Json
from vorab.cli.rejected import printable
from vorab.errors import EXIT_PROBLEMS, ConfigError
from vorab.frame import Quality

if TYPE_CHECKING:
    from ingest.trying import Trial


def try_(
    *,
    topic: Annotated[str, typer.Option("--topic", "-t", help="MQTT topic the message comes on.")],
    file: Annotated[Path, typer.Option("--file", "-f", help="Payload; - reads it from standard input.")] = Path("-"),
    content_type: Annotated[str, typer.Option(help="MQTT 5 content type of the message.")] = "",
    retained: Annotated[bool, typer.Option("--retained", help="As if the broker had kept it.")] = False,
    hex_: Annotated[bool, typer.Option("--hex", help="The payload is written as hexadecimal digits.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show how a payload would be read with the topic map of vorab.toml: by what, and to which rows; or why not, and what to do.

    Nothing is sent and nothing is written. Exit code 1 when the message would be refused.

    Examples:
        echo '{"temperature": 21.5}' | vorab ingest try --topic telemetry/pump-7
        vorab ingest try --topic plant/pump-7/up --file sample.json
        echo '00d7 01' | vorab ingest try --topic meters/7/up --hex
    """
    from ingest.trying import attempt
    from vorab.clock import clock_from
    from vorab.settings import load

    found = load(config)
    trial = attempt(found, topic, _payload(file, as_hex=hex_), clock_from("").now(), content_type=content_type, retained=retained)
    typer.echo(json.dumps(_document(trial), ensure_ascii=False) if as_json else "\n".join(_lines(trial)))
    if trial.refusal is not None:
        raise typer.Exit(EXIT_PROBLEMS)


def _payload(file: Path, *, as_hex: bool) -> bytes:
    hint = "name a file with the payload, or - for standard input"
    try:
        payload = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise ConfigError(f"the payload cannot be read: {error.strerror}", file=str(file), key="--file", hint=hint) from None
    if not as_hex:
        return payload.removesuffix(b"\n") if str(file) == "-" else payload
    try:
        return bytes.fromhex(payload.decode("ascii"))
    except ValueError:
        raise ConfigError("the payload is not hexadecimal", file=str(file), key="--hex", hint="write for example 00d7 01") from None


def _document(trial: Trial) -> dict[str, Any]:
    from ingest.advice import ADVICE
    from ingest.trying import quality
    from vorab.clock import iso

    refusal = trial.refusal
    return {
        "topic": trial.topic,
        "filter": trial.filter,
        "kind": trial.kind,
        "decoder": trial.decoder,
        "device": trial.device,
        "rows": [
            {
                "device": row.device,
                "measured_at": iso(row.measured_at),
                "quality": quality(row.quality),
                "boot": row.boot,
                "seq": row.seq,
                "values": dict(row.values),
                "units": dict(row.units),
            }
            for row in trial.rows
        ],
        "records": [{"type": record.TYPE, **record.model_dump(mode="json")} for record in trial.records],
        "says": [{"topic": say.topic, "payload": say.payload.decode("utf-8", "backslashreplace")} for say in trial.says],
        "refused": None if refusal is None else {"reason": refusal.reason, "detail": refusal.detail, "do": ADVICE.get(refusal.reason, "")},
        "note": trial.note,
    }


def _lines(trial: Trial) -> list[str]:
    from ingest.advice import ADVICE

    lines = [f"topic    {printable(trial.topic)}"]
    if trial.filter:
        lines.append(f"entry    {trial.filter}  ({trial.kind})")
    lines += [f"decoder  {trial.decoder}"] if trial.decoder else []
    lines += [f"device   {trial.device}"] if trial.device else []
    if trial.rows:
        lines += ["", *_table(trial), *_legend(trial)]
    for record in trial.records:
        lines += ["", record.TYPE, *_fields(record.model_dump(mode="json"))]
    for say in trial.says:
        lines += ["", f"answers on {printable(say.topic)}: {printable(say.payload.decode('utf-8', 'backslashreplace'))[:200]}"]
    if trial.refusal is not None:
        refusal = trial.refusal
        lines += ["", f"refused: {refusal.reason}" + (f": {printable(refusal.detail)}" if refusal.detail else "")]
        lines += [f"  {advice}"] if (advice := ADVICE.get(refusal.reason)) else []
    if trial.note:
        lines += ["", trial.note]
    return lines


MEANINGS: Final = {
    Quality.ARRIVAL: "arrival: the device gave no time of its own, so the time of arrival counts",
    Quality.CLAMPED: "clamped: the device's time lies more than 7 days back or 5 minutes ahead, so the time of arrival counts",
    Quality.ASSUMED_ZONE: "assumed zone: the device's time names no zone, or an hour that comes twice; name the zone in the topic map",
}


def _legend(trial: Trial) -> list[str]:
    found = [text for bit, text in MEANINGS.items() if any(row.quality & bit for row in trial.rows)]
    return ["", *found] if found else []


def _fields(record: dict[str, Any]) -> list[str]:
    return [
        f"  {name}  {printable(json.dumps(value, ensure_ascii=False))}" for name, value in record.items() if value not in ("", None, {}, [])
    ]


def _table(trial: Trial) -> list[str]:
    from ingest.trying import quality
    from vorab.clock import iso

    cells = [("device", "time", "quality", "signal", "value", "unit")]
    for row in trial.rows:
        for i, (name, value) in enumerate(row.values.items()):
            first = ("", "", "") if i else (row.device, iso(row.measured_at), quality(row.quality))
            cells.append((*first, name, printable(json.dumps(value, ensure_ascii=False)), row.units.get(name, "")))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]
