"""What is wrong with a document is said so that people who never saw a schema or a regular expression can mend it."""

from __future__ import annotations

from typing import Any

import pytest

from builder.definition.actions.base import Who, audience_words
from builder.definition.kinds import AUTOMATIONS, ENTITIES, PIPELINES, REMINDERS, SCENARIOS
from builder.definition.parse import DocumentInvalid, parse_document
from builder.kernel.canonical import parse_json
from builder.kernel.problems import Problem, key_hint, nearest_hint

JSON = Any
TELL = {"type": "notify", "to": [{"field": "owner"}], "subject": "x"}
HEAD = {"key": "a", "label": "A", "entity": "ticket"}
KEY = "应是键(不是名称):小写英文字母开头,只含小写字母、数字和下划线,最长 40 个字符"


def said(kind: Any, document: JSON) -> dict[str, str]:
    """Pointer -> what is said."""
    with pytest.raises(DocumentInvalid) as caught:
        parse_document(kind, document)
    return {violation.pointer: violation.message.zh for violation in caught.value.violations}


def automation(**members: Any) -> JSON:
    return {**HEAD, "trigger": {"type": "created"}, "actions": [TELL], **members}


def reminder(after: JSON, **members: Any) -> JSON:
    step = {"after": after, "actions": [TELL]}
    return {**HEAD, "when": {"type": "unchanged"}, "steps": [step], **members}


def scenario(*acts: JSON) -> JSON:
    return {"key": "s", "label": "S", "story": [{"when": list(acts)}]}


SPAN = "应是时长,如 30 min、24 h、3 d、2 w;按工作时间算写 8 working h、2 working d"


@pytest.mark.parametrize(
    "kind, document, pointer, words",
    [
        (REMINDERS, reminder("24小时"), "/steps/0/after", SPAN),
        (REMINDERS, reminder(24), "/steps/0/after", "应是文本"),
        (
            REMINDERS,
            reminder("1 d", quiet={"since": "22点", "until": "07:00"}),
            "/quiet/since",
            "应是两位数的时间,如 09:00、22:30",
        ),
        (REMINDERS, reminder("1 d", calendar="公司日历"), "/calendar", KEY),
        (AUTOMATIONS, automation(actions=[{"type": "assign", "rule": "派工规则"}]), "/actions/0/rule", KEY),
        (
            AUTOMATIONS,
            automation(actions=[{"type": "notify", "to": [{"field": "工程师"}], "subject": "x"}]),
            "/actions/0/to/0/field",
            "应是字段的键,或经过关联的路径,如 owner、customer.owner(写键,不写名称)",
        ),
        (AUTOMATIONS, automation(trigger={"type": "update"}), "/trigger/type", "没有类型“update”，是否想写“changed”？"),
        (
            AUTOMATIONS,
            automation(trigger={"type": "wenn"}),
            "/trigger/type",
            "没有类型“wenn”;可用:all_done、app_event、button、changed、created、date、deleted、schedule、stage、webhook",
        ),
        (
            AUTOMATIONS,
            automation(trigger={"type": "schedule", "cron": "每天早上八点整执行一次"}),
            "/trigger/cron",
            "应是 cron 表达式:分 时 日 月 周,中间各空一格,如 0 8 * * mon-fri",
        ),
        (
            AUTOMATIONS,
            automation(actions=[{"type": "send_webhook", "connection": "erp", "body": [{"member": "x", "name": "x"}]}]),
            "/actions/0/body/0/member",
            "没有名为“member”的成员;可用:value、formula、name",
        ),
        (
            ENTITIES,
            {"key": "a", "label": "A", "fields": [{"key": "s", "type": "select", "label": "S", "options": ["在用"]}]},
            "/fields/0/options/0",
            '应是对象,如 {"key": …, "label": …}',
        ),
        (
            ENTITIES,
            {"key": "a", "label": "A", "fields": [{"key": "s", "type": "string", "label": "S"}]},
            "/fields/0/type",
            "没有类型“string”，是否想写“text”？",
        ),
        (
            PIPELINES,
            {
                **HEAD,
                "field": "stage",
                "stages": [{"key": "new"}],
                "transitions": [{"key": "t", "label": "T", "enters": "已关闭"}],
            },
            "/transitions/0/enters",
            "应是阶段的键,或“阶段.节点”的键(写键,不写名称),如 visit、visit.check_in",
        ),
    ],
)
def test_words(kind: Any, document: JSON, pointer: str, words: str):
    assert said(kind, document)[pointer] == words


def test_a_pointer_leads_into_the_document_whatever_is_tagged_there():
    act = {"type": "advance", "by": "8 working h"}
    assert said(SCENARIOS, scenario({"type": "delete", "by": "x", "record": "y"}, act)).keys() == {"/story/0/when/1"}
    twice = {"type": "unchanged"}
    wrong = {**HEAD, "when": twice, "steps": [{"before": "1 d", "after": "1 d", "actions": [TELL]}]}
    assert said(REMINDERS, wrong).keys() == {"/steps/0"}
    guard = {"type": "formula", "formula": "TRUE", "message": "x", "fields": ["a", "a"]}
    records = {"type": "records", "entity": "e", "theirs": "t", "minimum": 3, "maximum": 1}
    way = {"key": "t", "label": "T", "enters": "new", "guards": [guard, records]}
    flow = {**HEAD, "field": "stage", "stages": [{"key": "new", "entry": [records]}], "transitions": [way]}
    assert said(PIPELINES, flow).keys() >= {"/stages/0/entry/0"}


@pytest.mark.parametrize(
    "body, zh, en",
    [
        (
            '{"key": "a"，"label": "b"}',
            "第 1 行第 12 个字符是全角标点“，”,请改用半角 ,",
            "line 1, character 12 is the full-width mark ，; write ,",
        ),
        (
            '{\n  "名称"：1}',
            "第 2 行第 7 个字符是全角标点“：”,请改用半角 :",
            "line 2, character 7 is the full-width mark ：; write :",
        ),
        (
            "{“key”: 1}",
            '第 1 行第 2 个字符是全角标点““”,请改用半角 "',
            'line 1, character 2 is the full-width mark “; write "',
        ),
        ('{"a": 1 "b": 2}', "第 1 行第 9 个字符", "line 1, character 9"),
    ],
)
@pytest.mark.parametrize("as_bytes", [True, False])
def test_broken_json_says_where_and_which_mark(body: str, zh: str, en: str, as_bytes: bool):
    with pytest.raises(Problem) as caught:
        parse_json(body.encode() if as_bytes else body)
    assert caught.value.detail is not None
    assert caught.value.detail.zh.endswith(zh)
    assert caught.value.detail.en.endswith(en)


def test_who_writes_a_label_is_told_the_key():
    fields = [("title", "标题"), ("title", "Title"), ("titles", "头衔")]
    assert key_hint("标题", fields).zh == "，是否想写“title”？"
    assert key_hint("titel", fields).zh == "，是否想写“title”？"
    assert key_hint("xyz", fields).zh == ""
    assert nearest_hint("dne", ["done", "Done"]).zh == "，是否想写“done”？"  # the first, which is the key


def test_whom_an_audience_means_is_said_in_words():
    who = [Who(role="director"), Who(manager_of="owner"), Who(user="zhangwei"), Who(formula="x" * 99)]
    assert audience_words(who) == (
        f"角色“director”、“owner”的上级、用户“zhangwei”、公式“{'x' * 80}”",
        f'the role "director", the manager of "owner", the user "zhangwei", the formula "{"x" * 80}"',
    )


@pytest.mark.parametrize("text", ["{", '{"a": "b', '{"a": 1', "[1,"])
def test_json_that_ends_too_early_is_told_in_both_languages(text: str) -> None:
    with pytest.raises(Problem) as caught:
        parse_json(text)
    detail = caught.value.detail
    assert detail is not None
    assert detail.zh == "请求内容不是有效的 JSON:到末尾还没有写完,缺少括号或引号"
    assert detail.en == "The body is not valid JSON: it ends too early, a bracket or a quote is missing"


@pytest.mark.parametrize("body", ["", " \n", b""])
def test_no_json_at_all_is_told_so(body: str | bytes) -> None:
    with pytest.raises(Problem) as caught:
        parse_json(body)
    assert caught.value.detail is not None
    assert caught.value.detail == ("请求没有内容,应是 JSON", "There is no body; it has to be JSON")
