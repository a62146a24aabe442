"""The section ``retention``: classes, the rules that choose among them, and what is not taken for granted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from archiver.config.base import Flag, Seconds, Section
from archiver.model import RetentionMode
from archiver.rules.retention import Condition, Policy, RetentionClass, Rule

Name = Annotated[str, Field(strict=True, pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
Pattern = Annotated[str, Field(strict=True, min_length=1, max_length=200)] | Annotated[int, Field(strict=True)] | Flag
Patterns = Pattern | Annotated[tuple[Pattern, ...], Field(min_length=1, max_length=1000)]


class RetentionClassConfig(Section):
    """How long, and how firmly."""

    mode: RetentionMode = RetentionMode.GOVERNANCE
    """governance (somebody may hold the permission to lift it) or compliance (nobody can, not even the account)."""
    years: Annotated[int, Field(strict=True, ge=1, le=100)] | None = None
    """Calendar years from the recording's time; either this or days."""
    days: Annotated[int, Field(strict=True, ge=1, le=36500)] | None = None
    """Days from the recording's time; either this or years."""
    i_understand_compliance_mode: Flag = False
    """Compliance mode needs it: what is locked by mistake stays, and is paid for, until its time is over."""

    @field_validator("i_understand_compliance_mode")
    @classmethod
    def _as_a_whole(cls, understood: bool, info: ValidationInfo) -> bool:
        if {"years", "days"} <= info.data.keys() and (info.data["years"] is None) == (info.data["days"] is None):
            raise ValueError("the class needs either years or days")
        if info.data.get("mode") is RetentionMode.COMPLIANCE and not understood:
            raise ValueError("mode compliance needs i_understand_compliance_mode: true (nobody can ever lift it)")
        return understood


class RetentionRuleConfig(Section):
    """Chooses a class for the rows that fulfil all of its conditions."""

    use: Name
    """The class."""
    when: Annotated[dict[Annotated[str, Field(min_length=1, max_length=200)], Patterns], Field(max_length=50)] = Field(
        default_factory=dict
    )
    """Field of the row (dotted inside objects) to a value or a list of them; * and ? stand for anything."""
    number: Patterns | None = None
    """Caller, callee or bridge, as digits with the country code; patterns as in when."""
    duration_seconds: tuple[Seconds | None, Seconds | None] | None = None
    """Reported duration: at least the first, less than the second; null: no bound."""

    @field_validator("duration_seconds")
    @classmethod
    def _some_condition(cls, span: tuple[float | None, float | None] | None, info: ValidationInfo) -> object:
        if span is None and info.data.get("when") == {} and info.data.get("number") is None:
            raise ValueError("the rule has no condition: for everything else there is retention.default")
        return span

    @property
    def rule(self) -> Rule:
        """As the rules read it."""
        when = tuple(Condition(name, _texts(patterns)) for name, patterns in self.when.items())
        numbers = () if self.number is None else _texts(self.number)
        return Rule(self.use, when, numbers, self.duration_seconds or (None, None))


class RetentionConfig(Section):
    """Until when what is archived may not be deleted (S3 Object Lock). Without classes nothing is locked."""

    classes: Annotated[Mapping[Name, RetentionClassConfig], Field(max_length=100)] = Field(default_factory=dict)
    """Name to mode and period."""
    rules: Annotated[tuple[RetentionRuleConfig, ...], Field(max_length=1000)] = ()
    """In order: the first whose conditions a row fulfils decides. A row that lacks what is asked gets the longest."""
    default: Name | None = None
    """Class of rows that no rule chose; null: the longest."""
    quarantine: Name | None = None
    """Class of rejected recordings; null: they are not locked, since no verdict vouches for them."""
    accept_unenforced: Flag = False
    """Accept a destination that cannot lock (a directory): then only this program keeps to the retention."""

    @field_validator("rules")
    @classmethod
    def _rules_name_classes(
        cls, rules: tuple[RetentionRuleConfig, ...], info: ValidationInfo
    ) -> tuple[RetentionRuleConfig, ...]:
        for rule in rules:
            _known(rule.use, info)
        return rules

    @field_validator("default", "quarantine")
    @classmethod
    def _names_a_class(cls, name: str | None, info: ValidationInfo) -> str | None:
        return name if name is None else _known(name, info)

    @property
    def policy(self) -> Policy | None:
        """As the rules read it; None where nothing is to be locked."""
        if not self.classes:
            return None
        classes = {
            name: RetentionClass(name, each.mode, years=each.years or 0, days=each.days or 0)
            for name, each in self.classes.items()
        }
        return Policy(classes, tuple(rule.rule for rule in self.rules), self.default, self.quarantine)


def _known(name: str, info: ValidationInfo) -> str:
    if "classes" in info.data and name not in info.data["classes"]:
        raise ValueError(f"there is no class {name} among retention.classes")
    return name


def _texts(patterns: object) -> tuple[str, ...]:
    each = patterns if isinstance(patterns, tuple) else (patterns,)
    return tuple(str(one).lower() if isinstance(one, bool) else str(one) for one in each)
