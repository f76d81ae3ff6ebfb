"""What Pydantic finds amiss in input, in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from builder.kernel.text import Text, say

_TOO_LONG = 200

_WORDS: Mapping[str, Text] = {
    "missing": say("缺少此项", "This member is required"),
    "extra_forbidden": say("没有这一项", "There is no such member"),
    "string_type": say("应是文本", "This has to be a string"),
    "int_type": say("应是整数", "This has to be an integer"),
    "int_parsing": say("应是整数", "This has to be an integer"),
    "int_from_float": say("应是整数", "This has to be an integer"),
    "bool_type": say("应是 true 或 false", "This has to be true or false"),
    "bool_parsing": say("应是 true 或 false", "This has to be true or false"),
    "list_type": say("应是列表", "This has to be a list"),
    "dict_type": say("应是对象", "This has to be an object"),
    "model_type": say("应是对象", "This has to be an object"),
    "model_attributes_type": say("应是 JSON 对象", "This has to be a JSON object"),
    "json_invalid": say("不是有效的 JSON", "This is not valid JSON"),
}
_WORDS_WITH_LIMIT: Mapping[str, tuple[str, Text]] = {
    "string_too_short": ("min_length", say("至少 {} 个字符", "At least {} characters")),
    "string_too_long": ("max_length", say("至多 {} 个字符", "At most {} characters")),
    "string_pattern_mismatch": ("pattern", say("格式不符:{}", "Does not match {}")),
    "too_short": ("min_length", say("至少 {} 项", "At least {} items")),
    "too_long": ("max_length", say("至多 {} 项", "At most {} items")),
    "greater_than_equal": ("ge", say("不小于 {}", "At least {}")),
    "less_than_equal": ("le", say("不大于 {}", "At most {}")),
}


def input_words(item: Mapping[str, Any], known: tuple[str, ...] = ()) -> Text:
    """Say what one error of Pydantic means.

    Args:
        known: the members there are, if it is known; where one too many was given they are listed.
    """
    kind, context = str(item["type"]), item.get("ctx") or {}
    if kind == "extra_forbidden" and known:
        return say(f"没有这一项;可用:{'、'.join(known)}", f"There is no such member; there are {', '.join(known)}")
    if kind in _WORDS:
        return _WORDS[kind]
    if kind == "literal_error":  # Pydantic joins them in English
        expected = str(context.get("expected"))
        return say(f"只能是 {expected.replace(' or ', '、').replace(', ', '、')}", f"This has to be {expected}")
    if kind in _WORDS_WITH_LIMIT:
        name, text = _WORDS_WITH_LIMIT[kind]
        return Text(*(words.format(context.get(name)) for words in text))
    message = str(item["msg"]).removeprefix("Value error, ")[:_TOO_LONG]
    return say(f"取值无效:{message}", f"Not valid: {message}")
