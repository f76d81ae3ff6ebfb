"""The limits that a caller of the API can meet, with what they are told: the table of the API guide, and of the test that exceeds each."""

from __future__ import annotations

from typing import NamedTuple

from builder.kernel import limits
from builder.kernel.text import Text, say
from formulas.filters import DEPTH_LIMIT, NODE_LIMIT
from formulas.syntax import LENGTH_LIMIT


class LimitRow(NamedTuple):
    """One limit: its number, what it bounds, and the code of going beyond it."""

    name: str
    value: int
    what: Text
    code: str


ROWS: tuple[LimitRow, ...] = (
    LimitRow("BODY_BYTES", limits.BODY_BYTES, say("请求体字节(可设置)", "bytes of a body (a setting)"), "limit.body"),
    LimitRow("BODY_DEPTH", limits.BODY_DEPTH, say("JSON 嵌套层数", "levels of JSON"), "limit.depth"),
    LimitRow(
        "NUMBER_EXPONENT",
        limits.NUMBER_EXPONENT,
        say("JSON 数字的 10 的幂", "power of ten of a number in JSON"),
        "request.malformed",
    ),
    LimitRow("URL_BYTES", limits.URL_BYTES, say("地址字节", "bytes of an address"), "limit.url"),
    LimitRow(
        "REQUEST_SECONDS",
        limits.REQUEST_SECONDS,
        say("开始回答前的秒数(可设置)", "seconds until an answer begins (a setting)"),
        "limit.time",
    ),
    LimitRow(
        "STATEMENT_SECONDS", limits.STATEMENT_SECONDS, say("一次查询的秒数", "seconds of one query"), "limit.time"
    ),
    LimitRow("PAGE_RECORDS", limits.PAGE_RECORDS, say("一页的记录", "records of a page"), "query.invalid"),
    LimitRow(
        "PAGE_SKIPPED",
        limits.PAGE_SKIPPED,
        say("按页码翻页时之前的记录", "records before a numbered page"),
        "query.invalid",
    ),
    LimitRow("FILTER_NODES", NODE_LIMIT, say("一个筛选的条件", "conditions of a filter"), "query.invalid"),
    LimitRow("FILTER_DEPTH", DEPTH_LIMIT, say("筛选的嵌套层数", "levels of a filter"), "query.invalid"),
    LimitRow(
        "FILTER_FORMULAS",
        LENGTH_LIMIT,
        say("一个筛选中公式的字符(合计)", "characters of the formulas of a filter, together"),
        "query.invalid",
    ),
    LimitRow("QUERY_HOPS", limits.QUERY_HOPS, say("一条路径经过的关联", "relations of a path"), "query.invalid"),
    LimitRow("SORT_KEYS", limits.SORT_KEYS, say("排序项", "keys of an order"), "query.invalid"),
    LimitRow("FIELD_PATHS", limits.FIELD_PATHS, say("fields 的路径", "paths of fields"), "query.invalid"),
    LimitRow("EXPAND_PATHS", limits.EXPAND_PATHS, say("expand 的路径", "paths of expand"), "query.invalid"),
    LimitRow("EXPAND_DEPTH", limits.EXPAND_DEPTH, say("expand 的层数", "levels of expand"), "query.invalid"),
    LimitRow("SEARCH_WORDS", limits.SEARCH_WORDS, say("搜索词", "words of a search"), "query.invalid"),
    LimitRow("SEARCH_LENGTH", limits.SEARCH_LENGTH, say("搜索的字符", "characters of a search"), "query.invalid"),
    LimitRow("GROUPS", limits.GROUPS, say("汇总返回的组", "groups of an aggregate"), "query.invalid"),
    LimitRow("GROUP_KEYS", limits.GROUP_KEYS, say("分组项", "keys to group by"), "query.invalid"),
    LimitRow("MEASURES", limits.MEASURES, say("汇总的度量", "measures of an aggregate"), "query.invalid"),
    LimitRow("BATCH_RECORDS", limits.BATCH_RECORDS, say("一次写入的记录", "records written at once"), "limit.batch"),
    LimitRow("CHILD_RECORDS", limits.CHILD_RECORDS, say("一个子表的行", "rows of a sub-table"), "record.invalid"),
    LimitRow(
        "VIEWS_PER_PERSON", limits.VIEWS_PER_PERSON, say("每人保存的视图", "saved views of a person"), "view.invalid"
    ),
    LimitRow("EVENTS_PAGE", limits.EVENTS_PAGE, say("一页的变更", "events of a page"), "query.invalid"),
    LimitRow("EVENTS_WAIT_SECONDS", limits.EVENTS_WAIT_SECONDS, say("wait 的秒数", "seconds of wait"), "query.invalid"),
    LimitRow(
        "STREAMS_PER_PERSON",
        limits.STREAMS_PER_PERSON,
        say("每人同时收听的连接", "streams of a person at a time"),
        "limit.streams",
    ),
    LimitRow("TEXT_LENGTH", limits.TEXT_LENGTH, say("单行文本的字符", "characters of a text field"), "record.invalid"),
    LimitRow(
        "LONG_TEXT_LENGTH",
        limits.LONG_TEXT_LENGTH,
        say("多行文本的字符", "characters of a long text"),
        "record.invalid",
    ),
    LimitRow("SET_MEMBERS", limits.SET_MEMBERS, say("一个集合字段的值", "members of a set"), "record.invalid"),
    LimitRow("TAG_LENGTH", limits.TAG_LENGTH, say("一个标签的字符", "characters of a tag"), "record.invalid"),
    LimitRow(
        "JSON_FIELD_BYTES", limits.JSON_FIELD_BYTES, say("JSON 字段的字节", "bytes of a JSON field"), "record.invalid"
    ),
    LimitRow(
        "JSON_FIELD_DEPTH", limits.JSON_FIELD_DEPTH, say("JSON 字段的层数", "levels of a JSON field"), "record.invalid"
    ),
    LimitRow("MERGED_RECORDS", limits.MERGED_RECORDS, say("一次并入的记录", "records merged at once"), "limit.batch"),
    LimitRow(
        "IDEMPOTENCY_KEY_LENGTH",
        limits.IDEMPOTENCY_KEY_LENGTH,
        say("Idempotency-Key 的字符", "characters of an Idempotency-Key"),
        "request.header",
    ),
    LimitRow(
        "FILE_BYTES_DEFAULT",
        limits.FILE_BYTES_DEFAULT,
        say("一个文件的字节(可设置)", "bytes of a file (a setting)"),
        "file.too_large",
    ),
    LimitRow("IMAGE_PIXELS", limits.IMAGE_PIXELS, say("一张图片的像素", "pixels of a picture"), "file.image_too_large"),
    LimitRow(
        "PACKAGE_BYTES",
        limits.PACKAGE_BYTES,
        say("应用包解开后的字节", "bytes of an app package, unpacked"),
        "package.too_large",
    ),
    LimitRow(
        "PACKAGE_FILES", limits.PACKAGE_FILES, say("应用包的文件", "files of an app package"), "package.too_large"
    ),
    LimitRow(
        "ENTITIES_PER_APP", limits.ENTITIES_PER_APP, say("一个应用的实体", "entities of an app"), "publish.findings"
    ),
    LimitRow(
        "FIELDS_PER_ENTITY",
        limits.FIELDS_PER_ENTITY,
        say("一个实体的字段", "fields of an entity"),
        "definition.invalid",
    ),
    LimitRow(
        "OPTIONS_PER_FIELD", limits.OPTIONS_PER_FIELD, say("一个字段的选项", "options of a field"), "definition.invalid"
    ),
    LimitRow(
        "LINK_ATTRIBUTES", limits.LINK_ATTRIBUTES, say("多条关联的属性", "attributes of a link"), "definition.invalid"
    ),
    LimitRow(
        "UNIQUES_PER_ENTITY",
        limits.UNIQUES_PER_ENTITY,
        say("一个实体的唯一约束", "unique sets of an entity"),
        "definition.invalid",
    ),
    LimitRow(
        "INDEXES_PER_ENTITY",
        limits.INDEXES_PER_ENTITY,
        say("一个实体的索引", "indexes of an entity"),
        "definition.invalid",
    ),
    LimitRow(
        "RULES_PER_ENTITY",
        limits.RULES_PER_ENTITY,
        say("一个实体的校验规则", "rules of an entity"),
        "definition.invalid",
    ),
    LimitRow(
        "FORMULA_LENGTH", limits.FORMULA_LENGTH, say("一个公式的字符", "characters of a formula"), "definition.invalid"
    ),
    LimitRow("STAGES", limits.STAGES, say("一个流程的阶段", "stages of a pipeline"), "definition.invalid"),
    LimitRow(
        "TRANSITIONS", limits.TRANSITIONS, say("一个流程的流转", "transitions of a pipeline"), "definition.invalid"
    ),
    LimitRow(
        "ACTIONS_PER_DOCUMENT", limits.ACTIONS_PER_DOCUMENT, say("一组动作", "actions in a row"), "definition.invalid"
    ),
    LimitRow(
        "APPROVAL_STEPS", limits.APPROVAL_STEPS, say("一个审批的步骤", "steps of an approval"), "definition.invalid"
    ),
    LimitRow("PEOPLE_AT_ONCE", limits.PEOPLE_AT_ONCE, say("一次列出的人员", "people of a list"), "query.invalid"),
    LimitRow("EXPORT_ROWS", limits.EXPORT_ROWS, say("一次导出的行", "rows of an export"), "export.too_large"),
    LimitRow(
        "EXPORT_CELLS",
        limits.EXPORT_CELLS,
        say("一个导出的 .xlsx 的单元格", "cells of an exported .xlsx"),
        "export.too_large",
    ),
)
