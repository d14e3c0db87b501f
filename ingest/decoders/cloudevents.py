"""CloudEvents 1.0 in structured JSON mode: the data is read as flat JSON, at the time of the event unless the data has one of its own.

Who published is what the topic says; `source` and `subject` are the sender's words and decide nothing.
"""

from __future__ import annotations

from typing import Final

from ingest.decoders import flat
from ingest.decoders.moments import iso
from ingest.decoders.rows import Row, Sender
from vorab.errors import Reason, Rejected

_REQUIRED: Final = ("id", "source", "specversion", "type")


def rows(parsed: object, sender: Sender) -> list[Row]:
    """The rows of one event; raises Rejected."""
    if not isinstance(parsed, dict):
        raise Rejected(Reason.BAD_SHAPE, "a CloudEvent is an object")
    for name in _REQUIRED:
        said = parsed.get(name)
        if not isinstance(said, str) or not said:
            raise Rejected(Reason.BAD_SHAPE, f"{name}: a CloudEvent needs it, as text")
    if parsed["specversion"] != "1.0":
        raise Rejected(Reason.NEWER_VERSION, f"CloudEvents {parsed['specversion'][:20]!r}")
    if "data_base64" in parsed:
        raise Rejected(Reason.UNSUPPORTED, "data_base64: telemetry inside a CloudEvent is JSON")
    content_type = parsed.get("datacontenttype", "application/json")
    if not isinstance(content_type, str) or content_type.partition(";")[0].strip().lower() not in {"application/json", "text/json"}:
        raise Rejected(Reason.UNSUPPORTED, f"datacontenttype {str(content_type)[:60]!r}")
    found = flat.rows(parsed.get("data"), sender)
    if parsed.get("time") is None:
        return found
    at, quality = iso(parsed["time"], None)
    return [row._replace(at=at, quality=row.quality | quality) if row.at is None else row for row in found]
