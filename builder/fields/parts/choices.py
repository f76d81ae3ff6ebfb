"""Choices: the options of select and multi_select."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Annotated, Self

from pydantic import StringConstraints, model_validator

from builder.fields.base import (
    JSON,
    BothLanguages,
    Field,
    Invalid,
    Label,
    Model,
    Option,
    expect_text,
    label_text,
    wrong_option,
)
from builder.kernel.limits import KEY_LENGTH, OPTIONS_PER_FIELD
from builder.kernel.problems import nearest_hint
from builder.kernel.text import Text, say

OptionKey = Annotated[str, StringConstraints(pattern=rf"^[A-Za-z0-9][A-Za-z0-9_-]{{0,{KEY_LENGTH - 1}}}$")]

_SHOWN = 60
_FEW = 8  # so many options are listed where none is near what was written


class SelectOption(Model):
    """One option of a select field."""

    key: OptionKey
    """What records and formulas hold; never changes."""
    label: Label
    """What people see; may change."""
    color: Annotated[str, StringConstraints(pattern="^#[0-9a-fA-F]{6}$")] | None = None
    """The colour of the option's badge, ``#rrggbb``."""
    hidden: bool = False
    """No longer offered; records that hold it keep it, and the value stays valid."""


class ChoiceField(Field):
    """What select and multi_select share: options, in the order in which they are offered and sorted."""

    options: Annotated[tuple[SelectOption, ...], Option(min_length=1, max_length=OPTIONS_PER_FIELD)]
    """The options, in order."""

    @model_validator(mode="after")
    def _check_options(self) -> Self:
        _refuse_twice("key", (option.key for option in self.options))
        _refuse_twice("label", (name for option in self.options if not option.hidden for name in labels_of(option)))
        return self

    @cached_property
    def option_keys(self) -> tuple[str, ...]:
        """The keys of all options, hidden ones too, in order."""
        return tuple(option.key for option in self.options)

    @cached_property
    def option_labels(self) -> tuple[tuple[str, str], ...]:
        """Every label in either language, with its key."""
        shown = ((label_text(option.label), option.key) for option in self.options)
        return tuple((words, key) for label, key in shown for words in dict.fromkeys((label.zh, label.en)))

    @cached_property
    def position(self) -> Mapping[str, int]:
        """Where each key stands in the order."""
        return {key: index for index, key in enumerate(self.option_keys)}

    def option_label(self, key: str) -> Text:
        """Return what people read for an option; the key itself for one that is not there (any more)."""
        place = self.position.get(key)
        return say(key, key) if place is None else label_text(self.options[place].label)

    @cached_property
    def _key_of_label(self) -> Mapping[str, str]:
        offered_last = sorted(
            self.options, key=lambda option: not option.hidden
        )  # an offered option wins over a hidden one
        return {name: option.key for option in offered_last for name in labels_of(option)}

    def find_key(self, name: str) -> str | None:
        """Return the key of the option with this key or label."""
        return name if name in self.position else self._key_of_label.get(name)

    def _offered(self) -> Text:
        """List what can be chosen, by label and key, where that is not too much."""
        offered = [(label_text(option.label), option.key) for option in self.options if not option.hidden]
        if not 0 < len(offered) <= _FEW:
            return say("", "")
        zh = "、".join(f"{label.zh}({key})" if label.zh != key else key for label, key in offered)
        en = ", ".join(f"{label.en} ({key})" if label.en != key else key for label, key in offered)
        return say(f";可选:{zh}", f"; there are {en}")

    def key_of(self, value: JSON) -> str | None:
        """Return the key of the option that a text names by key or label; None for empty text.

        Raises:
            Invalid: ``option`` if no option has this key or label.
        """
        text = expect_text(value).strip()
        if not text:
            return None
        key = self.find_key(text)
        if key is None:
            shown = text[:_SHOWN].encode("utf-8", "replace").decode()
            offered = [
                name for option in self.options if not option.hidden for name in (option.key, *labels_of(option))
            ]
            hint = nearest_hint(shown, offered)
            if not hint.zh:
                hint = self._offered()
            raise Invalid(
                "option", say(f"没有选项“{shown}”{hint.zh}", f'There is no option "{shown}"{hint.en}'), value=shown
            )
        return key


def labels_of(option: SelectOption) -> Iterator[str]:
    """Yield the label in each language, each text once."""
    label = option.label
    yield from dict.fromkeys((label.zh, label.en)) if isinstance(label, BothLanguages) else (label,)


def _refuse_twice(what: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            zh = {"key": "键", "label": "名称"}.get(what, what)
            raise wrong_option(f"两个选项的{zh}都是“{name}”", f'two options have the {what} "{name}"')
        seen.add(name)
