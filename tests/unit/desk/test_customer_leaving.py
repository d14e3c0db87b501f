"""Leaving by the header of a mail: one POST is enough, looking is not, and nothing is said after it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.desk.house import House, Story
from vorab import links, topics
from vorab.links import LinkFor
from vorab.records import Customer, Purpose, Request

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


def leaving(story: Story, **changes: Any) -> str:
    """The address in the header of a story's mail."""
    return f"/c/leave/{story.token(**{'purpose': LinkFor.UNSUBSCRIBE, **changes})}"


def last_word(house: House, key: str) -> Customer:
    """The registry's newest entry of a customer."""
    return [record for record in house.told(topics.CUSTOMERS) if isinstance(record, Customer) and record.key == key][-1]


def test_looking_at_the_address_changes_nothing(house: House, homes: dict[str, Story]) -> None:
    """Mail scanners follow every link: GET and HEAD write nothing to any topic, and neither does a POST that does not say what it means."""
    before, url = house.ends(), leaving(homes["doubted"])
    for _ in range(3):
        assert "Keine Nachrichten mehr?" in house.client.get(url, headers={"Purpose": "prefetch"}).text
        assert house.client.head(url).status_code == 200
    assert house.client.post(url).status_code == 400
    assert house.client.post(url, data={"List-Unsubscribe": "no"}).status_code == 400
    assert house.ends() == before


@pytest.mark.parametrize("files", [None, {"x": b""}], ids=["urlencoded", "multipart"])
def test_one_post_without_cookie_origin_or_page_is_enough(house: House, homes: dict[str, Story], files: dict[str, bytes] | None) -> None:
    """As a mail program does it (RFC 8058): the customer no longer agrees, and all else of their entry stays; twice is once."""
    story = homes["doubted"]
    key = story.claims().customer
    before = house.queries.customer(key)
    assert before is not None
    del house.client.headers["Sec-Fetch-Site"]
    for _ in range(2):
        answer = house.client.post(leaving(story), data=ONE_CLICK, files=files)
        assert answer.status_code == 200
        assert "Das ist erledigt" in answer.text
        house.catch_up()
    found = last_word(house, key)
    assert found.purposes[Purpose.SERVICE] is False
    assert found.own is None or "purposes" in found.own
    assert found.model_copy(update={"purposes": before.purposes, "own": before.own, "at": before.at}) == before
    written = [record for record in house.told(topics.CUSTOMERS) if isinstance(record, Customer) and record.key == key]
    assert sum(not record.purposes.get(Purpose.SERVICE, False) for record in written) == 1
    assert not [record for record in house.told(topics.REQUESTS) if isinstance(record, Request)]


def test_the_link_of_the_page_does_not_leave_and_the_other_way_round(house: House, homes: dict[str, Story]) -> None:
    """Each for its own purpose; a forged or foreign one is the same kind 404."""
    before, story = house.ends(), homes["doubted"]
    tokens = [story.token(), "x", links.sign("another secret of enough length", story.claims(purpose=LinkFor.UNSUBSCRIBE))]
    for token in tokens:
        assert house.client.get(f"/c/leave/{token}").status_code == 404
        assert house.client.post(f"/c/leave/{token}", data=ONE_CLICK).status_code == 404
    assert house.ends() == before


def test_leaving_works_when_the_case_is_long_forgotten_and_for_whom_nobody_knows(house: House, homes: dict[str, Story]) -> None:
    """The mail may be five years old: everything is withdrawn then, and who is not known has nothing to withdraw."""
    story = homes["doubted"]
    assert house.client.post(leaving(story, case="long gone"), data=ONE_CLICK).status_code == 200
    house.catch_up()
    assert set(last_word(house, story.claims().customer).purposes.values()) == {False}
    before = house.ends()
    assert house.client.post(leaving(story, customer="main/nobody"), data=ONE_CLICK).status_code == 200
    assert house.ends() == before
