"""What the patterns of the published schema ask for, in words that people understand who never saw a regular expression."""

from __future__ import annotations

import re
from collections.abc import Mapping

from builder.definition.actions.base import PATH_PATTERN
from builder.definition.spans import SPAN_PATTERN
from builder.kernel.limits import KEY_LENGTH
from builder.kernel.text import Text, say

_PART = rf"[A-Za-z0-9][A-Za-z0-9_-]{{0,{KEY_LENGTH - 1}}}"
_KEY_PATTERN = re.compile(r"\^\[a-z\]\[a-z0-9_\]\{0,(\d+)\}\$")
_PATTERNS: Mapping[str, Text] = {
    SPAN_PATTERN: say(
        "应是时长,如 30 min、24 h、3 d、2 w;按工作时间算写 8 working h、2 working d",
        "Expected a length of time such as 30 min, 24 h, 3 d, 2 w; in working time 8 working h, 2 working d",
    ),
    r"^([01][0-9]|2[0-3]):[0-5][0-9]$": say(
        "应是两位数的时间,如 09:00、22:30", "Expected a time in two digits each, such as 09:00 or 22:30"
    ),
    PATH_PATTERN: say(
        "应是字段的键,或经过关联的路径,如 owner、customer.owner(写键,不写名称)",
        "Expected the key of a field, or a path over relations: owner, customer.owner (keys, not labels)",
    ),
    r"^\S+( \S+){4}$": say(
        "应是 cron 表达式:分 时 日 月 周,中间各空一格,如 0 8 * * mon-fri",
        "Expected a cron line: minute hour day month weekday with a space between, as in 0 8 * * mon-fri",
    ),
    rf"^{_PART}$": say(
        "应是选项的键(写键,不写名称):字母或数字开头,只含字母、数字、下划线和连字符,最长 40 个字符",
        "Expected the key of an option, not its label: a letter or digit, then letters, digits, _ and -, at most 40 in all",
    ),
    rf"^{_PART}(\.{_PART})?$": say(
        "应是阶段的键,或“阶段.节点”的键(写键,不写名称),如 visit、visit.check_in",
        'Expected the key of a stage, or "stage.node", not a label: visit, visit.check_in',
    ),
}
"""What patterns ask for, in words; others are shown as they are."""


def pattern_words(pattern: str) -> Text:
    """Say what a pattern asks for."""
    found = _KEY_PATTERN.fullmatch(pattern)
    if found is not None:
        most = int(found[1]) + 1
        return say(
            f"应是键(不是名称):小写英文字母开头,只含小写字母、数字和下划线,最长 {most} 个字符",
            f"Expected a key, not a label: a lower-case letter, then lower-case letters, digits and _, at most {most} in all",
        )
    return _PATTERNS.get(pattern) or say(f"格式不符:{pattern}", f"Does not match {pattern}")
