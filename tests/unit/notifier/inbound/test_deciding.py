"""The table of what is done about a reply: every line, and what must hold whatever is said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.cases import CaseView
from notifier.inbound import deciding
from notifier.inbound.deciding import DOUBTS, TABLE, Decision, Effect, Limits, Says, Situation, decide
from notifier.inbound.finding import PROVEN, Proof
from notifier.render import TEMPLATES, Renderer
from notifier.words import LANGUAGES, load_words
from tests.unit.notifier.house import NIGHT, NOON, customer
from vorab.codes import Codes
from vorab.inbound_settings import AUTOMATED
from vorab.records import HandedTo, Status
from vorab.understanding import EFFECTS, Flag, Intent, Route, Understood

OPEN: Final = CaseView("case-1", "main/c-1", Status.IN_PROGRESS, 1, NIGHT, device="pump-7", name="Pumpe 7", model="heat-pump", onset=NIGHT)
ASKED: Final = replace(OPEN, status=Status.PENDING, asked=True)
OVER: Final = replace(OPEN, status=Status.RESOLVED, healed=True, healed_at=NOON)


def meant(intent: Intent, route: Route = Route.BOT, flags: tuple[Flag, ...] = ()) -> Understood:
    """A reply that was understood so."""
    return Understood(intent, 0.99, flags, route, None, ())


def at(intent: Intent, **changes: Any) -> Situation:
    """A reply to a message of ours about an open case, in which a question is open."""
    return replace(Situation(meant(intent), Proof.REPLY, ASKED, article=True), **changes)


@pytest.mark.parametrize(
    ("intent", "says", "effect"),
    [
        (Intent.STATUS, Says.STATE_OF_DEVICE, Effect.NONE),
        (Intent.CALL_ME, Says.CALL_WISHED, Effect.CALL),
        (Intent.STOP, Says.STOPPED, Effect.STOP),
        (Intent.CONSENT_YES, Says.CONSENT_TAKEN, Effect.CONSENT),
        (Intent.CONSENT_NO, Says.CONSENT_REFUSED, Effect.NO_CONSENT),
        (Intent.WORKS_AGAIN, Says.WORKS_AGAIN, Effect.WORKS_AGAIN),
        (Intent.STILL_BROKEN, Says.STILL_BROKEN, Effect.STILL_BROKEN),
        (Intent.WAS_WRONG, Says.WAS_WRONG, Effect.WAS_WRONG),
        (Intent.TOO_LATE, Says.TOO_LATE, Effect.TOO_LATE),
        (Intent.QUESTION, Says.ARTICLE, Effect.NONE),
        (Intent.THANKS, Says.NOTHING, Effect.NONE),
    ],
)
def test_what_is_clear_vorab_does(intent: Intent, says: Says, effect: Effect) -> None:
    """Each line of the table, where nothing is in doubt."""
    assert decide(at(intent)) == Decision(HandedTo.VORAB, says, effect)


@pytest.mark.parametrize("intent", [Intent.HUMAN, Intent.OTHER, Intent.MOVE, Intent.ORDER])
def test_what_is_not_in_the_table_is_a_persons(intent: Intent) -> None:
    """Whoever asks for a person, or for what vorab does not do, gets one."""
    found = decide(at(intent))
    assert (found.handed_to, found.says, found.effect) == (HandedTo.PERSON, Says.PERSON_WILL_ANSWER, Effect.NONE)


@pytest.mark.parametrize(
    ("changes", "doubt"),
    [
        ({"understood": meant(Intent.STATUS, Route.HUMAN)}, "not understood"),
        ({"understood": meant(Intent.STATUS, Route.HUMAN, (Flag.ANGER,))}, "anger"),
        ({"understood": meant(Intent.STATUS, Route.HUMAN, (Flag.LAW,))}, "law"),
        ({"understood": meant(Intent.STATUS, Route.HUMAN, (Flag.MONEY,))}, "money"),
        ({"understood": meant(Intent.STATUS, Route.HUMAN, (Flag.REPEATED,))}, "repeated"),
        ({"understood": meant(Intent.STATUS, Route.BOT, (Flag.MONEY,))}, "money"),
        ({"proof": Proof.STRANGER}, "from another address"),
        ({"proof": Proof.NOBODY}, "nobody knows who wrote it"),
        ({"public": True}, "public"),
        ({"edited": True}, "changed after it was answered"),
        ({"with_person": True}, "a person has this conversation"),
        ({"replies": 2}, "writes often"),
        ({"answers": 4}, "answered often"),
        ({"registered": False}, "not in the registry"),
        ({"vulnerable": True}, "people act for this customer"),
        ({"case": replace(OPEN, bot="must_not")}, "a person must act"),
        ({"case": None}, "no case"),
        ({"limits": Limits(automated=frozenset({"thanks"}))}, "not automated"),
    ],
)
def test_any_doubt_makes_it_a_persons(changes: dict[str, Any], doubt: str) -> None:
    """One reason is enough, and it is named."""
    found = decide(at(Intent.STATUS, **changes))
    assert (found.handed_to, found.effect) == (HandedTo.PERSON, Effect.NONE)
    assert doubt in found.doubts


@pytest.mark.parametrize(
    ("intent", "case", "doubt"),
    [
        (Intent.CONSENT_YES, OPEN, "nothing was asked"),
        (Intent.CONSENT_NO, OVER, "nothing was asked"),
        (Intent.STILL_BROKEN, OVER, "broken although the case is over"),
        (Intent.CALL_ME, OVER, "no open case"),
    ],
)
def test_what_makes_no_sense_as_things_stand_is_a_persons(intent: Intent, case: CaseView, doubt: str) -> None:
    """A yes to nothing, and a fault we believe to be over."""
    assert decide(at(intent, case=case)).doubts == (doubt,)


def test_who_wants_to_be_left_alone_does_not_wait_for_a_person() -> None:
    """Stop is done also where the customer writes often, a person has the conversation, or people act for them."""
    busy = at(Intent.STOP, replies=9, with_person=True, vulnerable=True, case=replace(OPEN, bot="must_not"))
    assert decide(busy) == Decision(HandedTo.VORAB, Says.STOPPED, Effect.STOP)
    assert decide(replace(busy, answers=99)) == Decision(HandedTo.VORAB, Says.NOTHING, Effect.STOP)


SITUATIONS: Final = st.builds(
    Situation,
    understood=st.builds(
        Understood,
        st.sampled_from(Intent), st.floats(0, 1), st.lists(st.sampled_from(Flag), max_size=2).map(tuple), st.sampled_from(Route), st.none(),
        st.just(()),
    ),
    proof=st.sampled_from(Proof),
    case=st.sampled_from([None, OPEN, ASKED, OVER, replace(OPEN, bot="must_not")]),
    automatic=st.sampled_from(["", "", "auto-submitted"]),
    public=st.booleans(), linked=st.just(False), edited=st.booleans(), article=st.booleans(), vulnerable=st.booleans(),
    registered=st.booleans(),
    with_person=st.booleans(), replies=st.integers(0, 5), answers=st.integers(0, 6),
    limits=st.sampled_from([Limits(), Limits(frozenset(), 1, 1), Limits(answers_a_day=0)]),
)  # fmt: skip


@given(SITUATIONS)
def test_never_is_anything_done_in_doubt(of: Situation) -> None:
    """Whatever comes: with a doubt no effect, without proof no effect, to a machine nothing at all, beyond the limit no answer."""
    found = decide(of)
    if of.automatic:
        assert (found.says, found.effect, bool(found.ignored)) == (Says.NOTHING, Effect.NONE, True)
        return
    assert (found.handed_to is HandedTo.PERSON) == bool(found.doubts)
    if found.doubts:
        assert found.effect is Effect.NONE
        assert found.says in {Says.NOTHING, Says.PERSON_WILL_ANSWER, Says.PRIVATELY}
    if found.effect is not Effect.NONE:
        assert of.proof in PROVEN
        assert of.understood.route is Route.BOT
        assert not of.understood.flags
    if of.public:
        assert found.says in {Says.NOTHING, Says.PRIVATELY}
    if of.answers >= of.limits.answers_a_day:
        assert found.says is Says.NOTHING
    if of.proof in {Proof.STRANGER, Proof.NOBODY} and not of.public:
        assert found.says is Says.NOTHING


def test_a_table_without_one_of_its_doubts_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Known bad: with any one doubt left out, some situation is automated that must not be."""
    alone: dict[str, Situation] = {
        "nobody knows who wrote it": at(Intent.STATUS, proof=Proof.NOBODY),
        "from another address": at(Intent.STATUS, proof=Proof.STRANGER),
        "public": at(Intent.STATUS, public=True),
        "changed after it was answered": at(Intent.STATUS, edited=True),
        "not understood": at(Intent.STATUS, understood=meant(Intent.STATUS, Route.HUMAN)),
        "not automated": at(Intent.STATUS, limits=Limits(frozenset())),
        "a person has this conversation": at(Intent.STATUS, with_person=True),
        "writes often": at(Intent.STATUS, replies=2),
        "answered often": at(Intent.STATUS, answers=4),
        "not in the registry": at(Intent.STATUS, registered=False),
        "people act for this customer": at(Intent.STATUS, vulnerable=True),
        "a person must act": at(Intent.STATUS, case=replace(OPEN, bot="must_not")),
        "proven by the address alone": at(Intent.WAS_WRONG, proof=Proof.ADDRESS),
    }
    for name, _ in DOUBTS:
        monkeypatch.setattr(deciding, "DOUBTS", tuple(each for each in DOUBTS if each[0] != name))
        if name != "asks for a person":  # not in the table either
            assert decide(alone[name]).handed_to is HandedTo.VORAB, name


def test_the_settings_name_what_the_table_has() -> None:
    """What may be automated is what there is a line for; whatever changes something by the recogniser's word does so by the table's."""
    assert set(AUTOMATED) == {intent.value for intent in TABLE}
    assert {intent for intent, line in TABLE.items() if line.effect is not Effect.NONE} >= EFFECTS - {Intent.MOVE, Intent.ORDER}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("which", [says for says in Says if says])
@pytest.mark.parametrize("case", [OPEN, ASKED, OVER, replace(OPEN, handed_over=True, acted_at=NOON, remedy="restart")])
def test_every_answer_is_calm_and_asks_nothing(language: str, which: Says, case: CaseView) -> None:
    """Both languages, hostile names: no question that the customer would have to answer, nothing loud, no link, no mark of a template."""
    evil = replace(case, name="{{7*7}} <script> http://evil.example/x\r\nBcc: a@b.c " + "x" * 500)
    article = {"id": "a", "title": "Titel", "text": "Text."}
    found = Renderer(load_words(), Codes("a secret for tests")).answer(
        which.value, evil, customer(language=language), now=NOON, name="Erika\r\nMuster", wished=NOON, article=article
    )
    assert found.body
    assert not set("?!") & set("".join(found.body))
    assert "://" not in found.text
    assert "<script>" not in found.html
    assert "49" not in found.text
    assert "\n" not in found.subject
    assert sum(len(part.split()) for part in found.body) < 120


def test_every_answer_has_its_words_and_every_word_its_answer() -> None:
    """The folders hold exactly the answers of the table."""
    for language in LANGUAGES:
        assert {file.stem for file in (TEMPLATES / language / "answers").iterdir()} == {says.value for says in Says if says}
