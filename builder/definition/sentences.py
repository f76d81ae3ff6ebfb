"""Controlled Chinese for steps of assignment rules: “预算>20万且来自官网的线索,优先分给张伟或李娜”. See docs/decisions/0021.

    sentence   = [conditions "的" entity "," | entity ","] [hours ","] pick {"," bound}
    conditions = all {或 all};  all = atom {且 atom};  atom = "(" conditions ")" | field comparison number | field 是 option {或 option}
               | 来自 option {或 option} | field 为空 | field 不为空 | field 包含 “text”
    hours      = 工作日 | 周末 | 周一至周五 | 周一、周三, then 9点到18点 | 9:00到18:00
    pick       = (优先分给 | 分给 | 分给空闲最多的 | 轮流分给) person {或 person}
    person     = a name | a department | @username | 角色“x” | a role | field"的上级" | field"对应的人" | field"区域的人"
    bound      = 每人最多 n 条 | 请假出差也分

Words are the app's own: labels of fields and options, names of people and departments. Nothing is guessed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from builder.definition.assignment import Hours, Step
from builder.definition.sentence_words import (
    AND,
    COMPARISONS,
    OR,
    PICKS,
    UNITS,
    WEEKDAYS,
    FieldWord,
    Token,
    Unclear,
    Vocabulary,
    tokenize,
)
from builder.kernel.problems import nearest_hint
from builder.kernel.text import Text, say
from formulas.errors import did_you_mean


@dataclass
class Reader:
    """Reads a sentence from left to right."""

    vocabulary: Vocabulary
    tokens: list[Token]
    place: int = 0
    condition: str | None = None
    members: dict[str, Any] = field(default_factory=dict)

    @property
    def now(self) -> Token:
        """The next word."""
        return self.tokens[self.place]

    def ahead(self, *words: str) -> bool:
        """Whether one of these words comes next."""
        return self.now.kind == "word" and self.now.text in words

    def take(self, *words: str) -> str | None:
        """Take the next word if it is one of these."""
        if not self.ahead(*words):
            return None
        self.place += 1
        return self.tokens[self.place - 1].text

    def need(self, *words: str) -> str:
        """Take one of these words."""
        found = self.take(*words)
        if found is None:
            raise self.unclear(say(f"应是“{'”或“'.join(words[:4])}”", f"Expected {' or '.join(words[:4])}"))
        return found

    def unclear(self, expected: Text) -> Unclear:
        """The next word does not belong here."""
        shown = self.now.text or "句末"
        zh, en = f"看不懂“{shown}”:{expected.zh}", f'Not understood: "{shown}": {expected.en}'
        return Unclear(say(zh, en), self.now.text, self.now.at)

    # -- the sentence --------------------------------------------------------------------------------------------------

    def sentence(self) -> Step:
        """Read a whole sentence."""
        if self.take(self.vocabulary.entity):
            self.need(",")
        elif not self._begins_hours() and not self.ahead(*PICKS):
            self.condition = self.any_of()
            self.need("的")
            self.take(self.vocabulary.entity)
            self.need(",")
        if self._begins_hours():
            self.members["hours"] = self.hours()
            self.need(",")
        picked = self.need(*PICKS)
        self.members["people"] = tuple(self.people())
        if self.take("中空闲最多的") and picked == "轮流分给":
            raise self.unclear(say("轮流与空闲最多不能同时使用", "in turn and least loaded do not go together"))
        self.members["picker"] = PICKS[picked]()
        while self.take(","):
            self.bound()
        if self.now.kind != "end":
            raise self.unclear(say("句子应到此结束", "the sentence should end here"))
        return Step.model_validate({**self.members, "when": self.condition}, strict=False)

    def bound(self) -> None:
        """``每人最多 n 条`` or ``请假出差也分``."""
        if self.take("请假出差也分"):
            self.members["skip_away"] = False
            return
        self.need("每人最多")
        number = self.number()
        if number != number.to_integral_value() or number < 1:
            raise self.unclear(say("应是正整数", "a whole number"))
        self.members["at_most"] = int(number)
        self.need("条")

    # -- conditions: formula text --------------------------------------------------------------------------------------

    def any_of(self) -> str:
        """Alternatives."""
        parts = [self.all_of()]
        while self.take(*OR):
            parts.append(self.all_of())
        return parts[0] if len(parts) == 1 else " OR ".join(parts)

    def all_of(self) -> str:
        """What has to hold together."""
        parts = [self.atom()]
        while self.take(*AND):
            parts.append(self.atom())
        return parts[0] if len(parts) == 1 else " AND ".join(parts)

    def atom(self) -> str:
        """One condition."""
        if self.take("("):
            inner = self.any_of()
            self.need(")")
            return f"({inner})"
        if self.take("来自"):
            owners = self.vocabulary.fields_with(self.now.text)
            if len(owners) != 1:
                raise self.unclear(say("应是唯一字段的选项", "an option that exactly one field has"))
            return self.options(owners[0], "=")
        found = self.vocabulary.field_named(self.now.text) if self.now.kind == "word" else None
        if found is None:
            owners = self.vocabulary.fields_with(self.now.text) if self.now.kind == "word" else []
            whole = f"{owners[0].label}是{self.now.text}" if len(owners) == 1 else None
            zh, en = did_you_mean(whole)
            raise self.unclear(say(f"应是字段名{zh}", f"the name of a field{en}"))
        self.place += 1
        return self.about(found)

    def about(self, owner: FieldWord) -> str:
        """What is said about a field."""
        if self.take("为空"):
            return f"ISBLANK({owner.key})"
        if self.take("不为空"):
            return f"NOT(ISBLANK({owner.key}))"
        if owner.kind == "text" and self.take("包含"):
            return f"CONTAINS({owner.key}, {self.quoted()})"
        operator = COMPARISONS[self.need(*COMPARISONS)]
        if owner.options:
            return self.options(owner, operator)
        if owner.kind in ("integer", "decimal"):
            return f"{owner.key} {operator} {self.number():f}"
        if owner.kind == "text" and operator in ("=", "<>"):
            return f"{owner.key} {operator} {self.quoted()}"
        raise self.unclear(say(f"“{owner.label}”不能这样比较", f'"{owner.label}" cannot be compared so'))

    def options(self, owner: FieldWord, operator: str) -> str:
        """One or several options of a field."""
        if operator not in ("=", "<>"):
            raise self.unclear(say("选项只能是或不是", "an option can only be or not be"))
        keys = [self.option(owner)]
        while self.ahead(*OR) and self._is_option(owner, self.tokens[self.place + 1]):
            self.place += 1
            keys.append(self.option(owner))
        one = f'{owner.key} {operator} "{keys[0]}"'
        if len(keys) == 1:
            return one
        listed = ", ".join(f'"{key}"' for key in keys)
        among = f"IN({owner.key}, {listed})"
        return among if operator == "=" else f"NOT({among})"

    def option(self, owner: FieldWord) -> str:
        """One option."""
        key = next((key for label, key in owner.options if label == self.now.text), None)
        if key is None:
            hint = nearest_hint(self.now.text, [label for label, _ in owner.options])
            raise self.unclear(say(f"应是“{owner.label}”的选项{hint.zh}", f'an option of "{owner.label}"{hint.en}'))
        self.place += 1
        return key

    def _is_option(self, owner: FieldWord, token: Token) -> bool:
        return any(label == token.text for label, _ in owner.options)

    def number(self) -> Decimal:
        """A number with 万 and the like."""
        if self.now.kind != "number":
            raise self.unclear(say("应是数字", "a number"))
        value = Decimal(self.now.text.replace(",", ""))
        self.place += 1
        unit = self.take(*UNITS)
        while unit is not None:
            value *= UNITS[unit]
            unit = self.take(*UNITS)
        self.take("元")
        return value.quantize(Decimal(1)) if value == value.to_integral_value() else value.normalize()

    def quoted(self) -> str:
        """A text in quotes, as a formula has it."""
        if self.now.kind != "text":
            raise self.unclear(say("应是引号中的文字", "a text in quotes"))
        self.place += 1
        return f'"{self.tokens[self.place - 1].text}"'

    # -- hours ---------------------------------------------------------------------------------------------------------

    def _begins_hours(self) -> bool:
        following = self.tokens[min(self.place + 1, len(self.tokens) - 1)]
        return (
            self.ahead("工作日", "周末", "周")
            or self.now.kind == "clock"
            or (self.now.kind == "number" and following.text == "点")
        )

    def hours(self) -> Hours:
        """Days of the week, then times."""
        days = self.weekdays()
        if self.now.kind not in ("clock", "number"):
            return Hours(weekdays=days)
        begins = self.clock()
        self.need("到", "至", "-")
        return Hours(weekdays=days, begins=begins, ends=self.clock())

    def weekdays(self) -> tuple[int, ...]:
        """``工作日``, ``周末``, ``周一至周五``, ``周一、周三``."""
        if self.take("工作日"):
            return (1, 2, 3, 4, 5)
        if self.take("周末"):
            return (6, 7)
        days: list[int] = []
        while self.take("周"):
            day = self.weekday()
            if self.take("至", "到"):
                self.need("周")
                days += range(day, self.weekday() + 1)
            else:
                days.append(day)
            if not self.take("、"):
                break
        return tuple(sorted(set(days)))

    def weekday(self) -> int:
        """One day."""
        found = WEEKDAYS.find(self.now.text) if len(self.now.text) == 1 else -1
        if found < 0:
            raise self.unclear(say("应是一至六或日", "a day of the week"))
        self.place += 1
        return found + 1

    def clock(self) -> str:
        """A time of day."""
        token = self.now
        self.place += 1
        if token.kind == "clock":
            hour, minute = token.text.split(":")
            return self.time_of(token, int(hour), int(minute))
        if token.kind == "number" and "." not in token.text and self.take("点"):
            return self.time_of(token, int(token.text), 30 if self.take("半") else 0)
        self.place -= 1
        raise self.unclear(say("应是时间,如 9:00 或 9点", "a time such as 9:00"))

    def time_of(self, token: Token, hour: int, minute: int) -> str:
        """Write a time."""
        if hour > 23 or minute > 59:
            raise Unclear(say(f"没有时间“{token.text}”", f'There is no time "{token.text}"'), token.text, token.at)
        return f"{hour:02d}:{minute:02d}"

    # -- people --------------------------------------------------------------------------------------------------------

    def people(self) -> list[dict[str, str]]:
        """One or several."""
        found = [self.person()]
        while self.take(*OR, *AND):
            found.append(self.person())
        return found

    def person(self) -> dict[str, str]:
        """A person, a department, a role, or who a field leads to."""
        token = self.now
        self.place += 1
        if token.kind == "username":
            return {"user": token.text.lower()}
        if token.kind == "word" and token.text == "角色" and self.now.kind == "text":
            self.place += 1
            role = self.tokens[self.place - 1].text
            return {"role": self.vocabulary.role_called(role) or role}
        owner = self.vocabulary.field_named(token.text)
        if owner is not None:
            for word, way in (("的上级", "manager_of"), ("对应的人", "field"), ("区域的人", "area")):
                if self.take(word):
                    return {way: owner.key}
        usernames = self.vocabulary.usernames(token.text)
        if len(usernames) > 1:
            listed = "、".join(f"@{username}" for username in sorted(usernames))
            message = say(
                f"有多位“{token.text}”,请写 {listed}", f'Several people are called "{token.text}": write {listed}'
            )
            raise Unclear(message, token.text, token.at)
        departments = [key for name, key in self.vocabulary.departments if name == token.text]
        if len(usernames) + len(departments) == 1:
            return {"user": usernames[0]} if usernames else {"department": departments[0]}
        role_key = self.vocabulary.role_called(token.text)
        if role_key is not None and not usernames and not departments:
            return {"role": role_key}
        self.place -= 1
        hint = say("", "")
        if owner is not None:
            zh = f"。字段要写“{owner.label}对应的人”或“{owner.label}的上级”"
            hint = say(zh, f". Of a field say “{owner.label}对应的人” or “{owner.label}的上级”")
        raise self.unclear(say(f"应是人员、部门或角色{hint.zh}", f"a person, a department or a role{hint.en}"))


def parse_sentence(sentence: str, vocabulary: Vocabulary) -> Step:
    """Turn a sentence into a step.

    Raises:
        Unclear: which words are not understood.
    """
    return Reader(vocabulary, tokenize(sentence, vocabulary)).sentence()
