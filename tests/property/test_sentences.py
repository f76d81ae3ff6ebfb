"""Sentences of assignment rules: what is understood, what is refused with the words, and that no sentence says something else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.compiled.computing import draft_schema
from builder.definition.assignment import Hours, LeastLoad, RoundRobin, Step
from builder.definition.parse import parse_definition
from builder.definition.sentence_words import FieldWord, Unclear, Vocabulary
from builder.definition.sentences import parse_sentence
from builder.kernel.problems import Problem
from builder.registry.assignment_texts import normal, render

JSON = Any
SOURCES = {"web": "官网", "fair": "展会", "old": "老客户介绍"}
LEVELS = {"A": "重点", "B": "普通"}


def _field(key: str, label: str, kind: str, **options: JSON) -> JSON:
    return {"key": key, "label": label, "type": kind, **options}


def _choices(pairs: dict[str, str]) -> list[JSON]:
    return [{"key": key, "label": label} for key, label in pairs.items()]


ENTITY = {
    "key": "lead",
    "label": "线索",
    "fields": [
        _field("budget", "预算", "money"),
        _field("staff", "员工数", "integer"),
        _field("source", "来源", "select", options=_choices(SOURCES)),
        _field("level", "级别", "select", options=_choices(LEVELS)),
        _field("city", "城市", "text"),
        _field("owner", "负责人", "user"),
        _field("region", "大区", "text"),
    ],
}
DEFINITION = parse_definition({"app": {"key": "crm", "label": "CRM"}, "entities": [ENTITY]})
SCHEMA = draft_schema(DEFINITION)
WORDS = Vocabulary(
    "线索",
    (
        FieldWord("budget", "预算", "decimal"),
        FieldWord("staff", "员工数", "integer"),
        FieldWord("source", "来源", "option", tuple((v, k) for k, v in SOURCES.items())),
        FieldWord("level", "级别", "option", tuple((v, k) for k, v in LEVELS.items())),
        FieldWord("city", "城市", "text"),
        FieldWord("owner", "负责人", "person"),
        FieldWord("region", "大区", "text"),
    ),
    (("张伟", "zhangwei"), ("李娜", "lina"), ("王芳", "wangfang1"), ("王芳", "wangfang2")),
    (("华东销售部", "east"),),
)


def read(sentence: str) -> Step:
    return normal(parse_sentence(sentence, WORDS), SCHEMA, "lead")


@pytest.mark.parametrize(
    "sentence, when, members",
    [
        (
            "预算>20万且来自官网的线索,优先分给张伟或李娜",
            'budget > 200000 AND source = "web"',
            {"people": [{"user": "zhangwei"}, {"user": "lina"}]},
        ),
        (
            "预算超过1.5万元或者(来源是官网或展会并且级别不是普通)的线索，轮流分给华东销售部，每人最多8条。",
            None,
            {"people": [{"department": "east"}], "picker": RoundRobin(), "at_most": 8},
        ),
        ("员工数不少于2,000的，分给空闲最多的@wangfang2", "staff >= 2000", {"people": [{"user": "wangfang2"}]}),
        ("城市包含“苏州”的线索,优先分给大区区域的人", 'CONTAINS(city, "苏州")', {"people": [{"area": "region"}]}),
        (
            "工作日9点到18点半,分给负责人的上级,请假出差也分",
            None,
            {"hours": Hours(weekdays=(1, 2, 3, 4, 5), begins="09:00", ends="18:30"), "skip_away": False},
        ),
        (
            "周一至周三、周六,分给角色“经理”",
            None,
            {"hours": Hours(weekdays=(1, 2, 3, 6)), "people": [{"role": "经理"}]},
        ),
        ("级别不为空的线索,周末,分给华东销售部中空闲最多的", "NOT(ISBLANK(level))", {"hours": Hours(weekdays=(6, 7))}),
    ],
)
def test_sentences_are_understood(sentence: str, when: str | None, members: dict[str, Any]):
    step = read(sentence)
    if when is not None:
        assert step.when == normal(Step(when=when, people=step.people), SCHEMA, "lead").when
    for name, value in members.items():
        found = getattr(step, name)
        shown = [who.model_dump(exclude_defaults=True) for who in found] if name == "people" else found
        assert shown == value
    written = render(step, WORDS, SCHEMA, "lead")
    assert read(written) == step
    assert render(read(written), WORDS, SCHEMA, "lead") == written  # what is written stays as it is


def test_the_sentence_of_the_director_reads_the_same_when_written():
    sentence = "预算>20万且来源是官网的线索,优先分给张伟或李娜"
    assert render(read(sentence), WORDS, SCHEMA, "lead") == sentence


@pytest.mark.parametrize(
    "sentence, words, at",
    [
        ("预算>20万且来自抖音的线索,优先分给张伟", "抖音", 9),
        ("预算>20万的线索,优先分给张三丰", "张三丰", 14),
        ("预算>20万的线索,优先分给王芳", "王芳", 14),  # two of that name
        ("预算是官网的线索,优先分给张伟", "官网", 3),
        ("来源大于官网的线索,优先分给张伟", "官网", 4),
        ("预算>20万的线索", "", 9),
        ("优先分给张伟,每人最多0条", "条", 12),
        ("25点到26点,分给张伟", "25", 0),
        ("优先分给张伟 张伟", "张伟", 7),
        ("", "", 0),
    ],
)
def test_what_is_not_understood_is_refused_with_the_words(sentence: str, words: str, at: int):
    with pytest.raises(Unclear) as unclear:
        parse_sentence(sentence, WORDS)
    assert (unclear.value.words, unclear.value.at) == (words, at)
    assert unclear.value.message.zh


def test_all_unknown_words_are_told_at_once():
    with pytest.raises(Unclear) as unclear:
        parse_sentence("来自抖音且热度高的线索,优先分给张伟", WORDS)
    assert "抖音" in unclear.value.message.zh
    assert "热度高" in unclear.value.message.zh


_numbers = st.one_of(st.integers(1, 99_999), st.integers(1, 500).map(lambda n: n * 10_000), st.just(300_000_000))
_atoms = st.one_of(
    st.builds(lambda op, n: f"budget {op} {n}", st.sampled_from((">", ">=", "<", "<=", "=", "<>")), _numbers),
    st.builds(lambda op, n: f"staff {op} {n}", st.sampled_from((">", "<=")), st.integers(1, 5_000)),
    st.builds(lambda op, k: f'source {op} "{k}"', st.sampled_from(("=", "<>")), st.sampled_from(sorted(SOURCES))),
    st.just('IN(source, "web", "fair")'),
    st.just('NOT(IN(source, "web", "old"))'),
    st.sampled_from(("ISBLANK(level)", "NOT(ISBLANK(city))", 'CONTAINS(city, "苏")', 'city = "上海"')),
)
_conditions = st.recursive(
    _atoms,
    lambda inner: st.builds(
        lambda parts, word: "(" + f" {word} ".join(parts) + ")",
        st.lists(inner, min_size=2, max_size=3),
        st.sampled_from(("AND", "OR")),
    ),
    max_leaves=6,
)
_people = st.lists(
    st.sampled_from(
        (
            {"user": "zhangwei"},
            {"user": "wangfang1"},
            {"department": "east"},
            {"role": "经理"},
            {"manager_of": "owner"},
            {"field": "owner"},
            {"area": "region"},
        )
    ),
    min_size=1,
    max_size=4,
)
_hours = st.one_of(
    st.none(),
    st.builds(
        lambda days, times: {"weekdays": sorted(days), **times},
        st.sets(st.integers(1, 7), min_size=1),
        st.sampled_from(({}, {"begins": "08:30", "ends": "17:00"}, {"begins": "22:00", "ends": "06:00"})),
    ),
    st.just({"begins": "09:00", "ends": "18:00"}),
)
_steps = st.fixed_dictionaries(
    {
        "people": _people,
        "when": st.none() | _conditions,
        "hours": _hours,
        "at_most": st.none() | st.integers(1, 500),
        "skip_away": st.booleans(),
        "picker": st.sampled_from(({"type": "least_load"}, {"type": "round_robin"})),
    }
)


@settings(max_examples=120)
@given(_steps)
def test_a_step_that_is_written_and_read_is_the_same_step(document: JSON):
    step = normal(Step.model_validate(document, strict=False), SCHEMA, "lead")
    sentence = render(step, WORDS, SCHEMA, "lead")
    assert read(sentence) == step
    assert render(read(sentence), WORDS, SCHEMA, "lead") == sentence


@settings(max_examples=150)
@given(st.lists(st.sampled_from([*WORDS.words(), "20", "9:00", "“x”", "抖音", "@lina", " "]), max_size=12))
def test_no_sentence_breaks_the_reader(words: list[str]):
    """Whatever people type is a step or refused; what is a step can be written again."""
    try:
        step = read("".join(words))
    except Unclear:
        return
    assert read(render(step, WORDS, SCHEMA, "lead")) == step


@pytest.mark.parametrize(
    "members",
    [
        {"picker": {"type": "sticky", "person": "owner"}},
        {"when": "LEN(city) > 3"},
        {"people": [{"manager_of": "owner", "levels": 3}]},
    ],
)
def test_what_no_sentence_says_is_refused(members: JSON):
    step = Step.model_validate({"people": [{"user": "lina"}], **members}, strict=False)
    with pytest.raises(Problem) as refused:
        render(step, WORDS, SCHEMA, "lead")
    assert refused.value.code == "assignment.text"


def test_pickers_of_sentences():
    assert read("轮流分给李娜").picker == RoundRobin()
    assert read("优先分给李娜").picker == LeastLoad()


ROLES = replace(
    WORDS, roles=(("工程师", "engineer"), ("负责人", "keeper"), ("张伟", "double"), ("经理", "m1"), ("经理", "m2"))
)


@pytest.mark.parametrize(
    "sentence, people, written",
    [
        ("线索,分给工程师", [{"role": "engineer"}], "优先分给角色“工程师”"),
        ("优先分给角色“工程师”或角色“engineer”", [{"role": "engineer"}] * 2, "优先分给角色“工程师”或角色“工程师”"),
        ("优先分给负责人", [{"role": "keeper"}], "优先分给角色“负责人”"),  # a field is called so, too
        ("优先分给张伟", [{"user": "zhangwei"}], "优先分给张伟"),
        ("优先分给角色“m1”", [{"role": "m1"}], "优先分给角色“m1”"),  # two are called so
    ],
)
def test_roles_are_called_by_their_labels(sentence: str, people: list[dict[str, str]], written: str):
    step = parse_sentence(sentence, ROLES)
    assert [who.model_dump(exclude_defaults=True) for who in step.people] == people
    assert render(step, ROLES, SCHEMA, "lead") == written


@pytest.mark.parametrize(
    "sentence, zh, en",
    [
        (
            "来自抖音的线索,分给华东销售组",
            "看不懂“抖音”、“华东销售组”，是否想写“华东销售部”？",
            'Not understood: "抖音", "华东销售组"; did you mean "华东销售部"?',
        ),
        (
            "官网的线索,分给张伟",
            "看不懂“官网”:应是字段名，是否想写“来源是官网”？",
            'Not understood: "官网": the name of a field; did you mean "来源是官网"?',
        ),
        (
            "分给负责人",
            "看不懂“负责人”:应是人员、部门或角色。字段要写“负责人对应的人”或“负责人的上级”",
            'Not understood: "负责人": a person, a department or a role. Of a field say “负责人对应的人” or “负责人的上级”',
        ),
    ],
)
def test_a_refusal_says_how_it_is_written(sentence: str, zh: str, en: str):
    with pytest.raises(Unclear) as unclear:
        parse_sentence(sentence, WORDS)
    assert unclear.value.message == (zh, en)
