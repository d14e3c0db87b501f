"""Rules: what to look for on which devices, as operators write it down; validated here, read from YAML by `streams.rules.files`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Final, Union, get_args

from pydantic import Field, TypeAdapter

from streams.detectors.code import CodeRule, Codes
from streams.detectors.counter import Counter, CounterRule
from streams.detectors.drift import Drift, DriftRule
from streams.detectors.dropout import Dropout, DropoutRule
from streams.detectors.expression import ByExpression, ExpressionRule
from streams.detectors.flat import Flat, FlatRule
from streams.detectors.learning import LearnedOptions, LearnedRule, Learning
from streams.detectors.noise import Noise, NoiseRule
from streams.detectors.often import Often, OftenRule
from streams.detectors.oscillation import Oscillation, OscillationRule
from streams.detectors.peer import Peer, PeerRule
from streams.detectors.range import Range, RangeRule
from streams.detectors.rate import Rate, RateRule
from streams.detectors.seasonal import Seasonal, SeasonalRule
from streams.detectors.shape import Detector
from streams.detectors.silence import SilenceRule
from streams.detectors.surprising import SurpriseRule, Surprising
from streams.detectors.threshold import Threshold, ThresholdRule
from streams.detectors.trend import Trend, TrendRule
from streams.detectors.unusual import Unusual, UnusualRule
from streams.rules.rule import Rule
from streams.rules.words import Strict, Title

MOST_WATCHED: Final = 10_000
"""Signal names remembered; devices may make up as many as they like."""

DETECTORS: Final[dict[type[Rule], type[Detector] | None]] = {
    ThresholdRule: Threshold,
    SilenceRule: None,  # judged when devices speak, not by what they say
    LearnedRule: Learning,
    CodeRule: Codes,
    CounterRule: Counter,
    DriftRule: Drift,
    DropoutRule: Dropout,
    ExpressionRule: ByExpression,
    FlatRule: Flat,
    NoiseRule: Noise,
    OftenRule: Often,
    OscillationRule: Oscillation,
    PeerRule: Peer,
    RangeRule: Range,
    RateRule: Rate,
    SeasonalRule: Seasonal,
    SurpriseRule: Surprising,
    TrendRule: Trend,
    UnusualRule: Unusual,
}
"""Each kind of rule and what judges by it: all the detectors there are."""

CLASSES: Final[dict[str, type[Rule]]] = {get_args(kind.model_fields["detector"].annotation)[0]: kind for kind in DETECTORS}
"""The same by the word of the file: `detector: threshold`."""

AnyRule: Any = Annotated[Union[tuple(DETECTORS)], Field(discriminator="detector")]  # noqa: UP007 - made of the table

_RULE: Final[TypeAdapter[Rule]] = TypeAdapter(AnyRule)


def parse_rule(text: str) -> Rule:
    """A rule from the JSON that `model_dump_json(by_alias=True)` wrote."""
    return _RULE.validate_json(text)


class RuleFile(Strict):
    """One file of rules."""

    rules: list[AnyRule]


class RuleSet:
    """All rules in force, in the order of their ids."""

    def __init__(self, rules: Sequence[Rule] = ()) -> None:
        self.rules = tuple(sorted(rules, key=lambda rule: rule.id))
        self.by_id: Final = {rule.id: rule for rule in self.rules}
        if len(self.by_id) != len(self.rules):
            raise ValueError("two rules share an id")
        self.names_devices = any(rule.applies.devices != ("*",) for rule in self.rules)
        self._matched: dict[tuple[str, str, str], tuple[Rule, ...]] = {}
        self._watched: dict[str, bool] = {}
        self._inputs = {signal for rule in self.rules for signal in rule.inputs}

    def __iter__(self) -> Iterator[Rule]:
        """The rules."""
        return iter(self.rules)

    def __len__(self) -> int:
        """How many."""
        return len(self.rules)

    @property
    def titles(self) -> dict[str, Title]:
        """Rule id → what people call its finding."""
        return {rule.id: rule.title for rule in self.rules}

    def of_device(self, tenant: str, device: str, model: str) -> tuple[Rule, ...]:
        """The rules that look at a device."""
        key = (tenant, device if self.names_devices else "", model)
        found = self._matched.get(key)
        if found is None:
            if self.names_devices:  # asked for a few times in a row, and there may be a million of them
                self._matched.clear()
            found = self._matched[key] = tuple(rule for rule in self.rules if rule.applies.match(tenant, device, model))
        return found

    def watches(self, signal: str) -> bool:
        """Whether any rule looks at a signal on any device."""
        found = self._watched.get(signal)
        if found is None:
            found = signal in self._inputs or any(rule.looks_at(signal) for rule in self.rules)
            if len(self._watched) < MOST_WATCHED:
                self._watched[signal] = found
        return found

    def reads_words(self, signal: str) -> bool:
        """Whether any rule judges the words of a signal."""
        return any(rule.text and rule.looks_at(signal) for rule in self.rules)


def json_schema() -> dict[str, Any]:
    """JSON Schema of a rule file, for editors and for other tools."""
    schema = RuleFile.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "vorab rules"
    options = LearnedOptions.model_json_schema()
    schema["$defs"]["LearnedRule"]["properties"]["options"].update({"properties": options["properties"], "additionalProperties": False})
    return schema
