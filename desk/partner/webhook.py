"""A fact as a signed webhook: CloudEvents in structured JSON, under the header scheme of Standard Webhooks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from vorab.clock import Micros, iso
from vorab.outbound import signatures
from vorab.records import CaseEvent, type_of

SOURCE: Final = "urn:vorab:desk"
MEDIA: Final = "application/cloudevents+json"


def message(event: CaseEvent, secrets: Sequence[str], at: Micros) -> tuple[dict[str, str], bytes]:
    """Headers and body of a fact, signed at a time (wall, µs). The id is that of the fact: the same however often it is sent."""
    envelope = {
        "specversion": "1.0",
        "id": event.id,
        "source": SOURCE,
        "type": type_of(event),
        "subject": event.case,
        "time": iso(event.at),
        "datacontenttype": "application/json",
        "data": event.model_dump(mode="json", exclude_none=True),
    }
    body = json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode()
    return {"Content-Type": MEDIA, **signatures.headers(secrets, event.id, at, body)}, body
