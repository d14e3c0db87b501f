"""TMF621: cases as trouble tickets, for systems that know nothing of vorab."""

from __future__ import annotations

import pytest

from tests.unit.desk.house import House, Story

BASE = "/tmf-api/troubleTicket/v4/troubleTicket"


def test_tickets_are_listed_and_counted(house: House, homes: dict[str, Story]) -> None:
    """Paging as TMF630 wants it."""
    answer = house.client.get(BASE, params={"limit": 2})
    assert answer.headers["X-Total-Count"] == str(len(homes))
    assert answer.headers["X-Result-Count"] == "2"
    assert [ticket["@type"] for ticket in answer.json()] == ["TroubleTicket"] * 2


def test_tickets_filter_by_status_and_select_fields(house: House, homes: dict[str, Story]) -> None:
    """`?status=held&fields=status` names one ticket and little else."""
    found = house.client.get(BASE, params={"status": "held", "fields": "status"}).json()
    assert [(ticket["id"], ticket["status"], set(ticket)) for ticket in found] == [
        (homes["doubted"].case, "held", {"id", "href", "status", "@type"})
    ]


def test_a_ticket_tells_its_history(house: House, homes: dict[str, Story]) -> None:
    """Status changes in order, the affected device and the customer by random id."""
    ticket = house.client.get(f"{BASE}/{homes['healed'].case}").json()
    assert [change["status"] for change in ticket["statusChange"]] == ["acknowledged", "inProgress", "resolved", "closed"]
    assert ticket["relatedEntity"][0]["id"] == homes["healed"].key
    assert ticket["relatedParty"][0]["id"] == "c-1"


@pytest.mark.parametrize(("path", "status"), [(f"{BASE}/none", 404), (f"{BASE}?status=broken", 400), (f"{BASE}?limit=0", 422)])
def test_errors_are_errors(house: House, path: str, status: int) -> None:
    """Unknown ids and words are refused with a code."""
    assert house.client.get(path).status_code == status
