"""``rich_text``: formatted text as HTML of a closed list of elements. Source: DESIGN 5; sanitised by Ammonia (nh3), decision 0005."""

from __future__ import annotations

import html
import re
from typing import Annotated, Any, ClassVar, Literal

import nh3

from builder.fields.base import JSON, Field, FieldSample, Invalid, Option, expect_text, refuse_control_characters
from builder.fields.parts.texts import check_length
from builder.kernel.limits import RICH_TEXT_LENGTH
from builder.kernel.text import say
from builder.store.types import StoredType, Words
from formulas.types import TEXT, Type

_TAGS = {
    *("p", "br", "hr", "div", "span", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "code"),
    *("b", "strong", "i", "em", "u", "s", "del", "ins", "mark", "sub", "sup", "small"),
    *("ul", "ol", "li", "a", "img", "table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td"),
}
_ATTRIBUTES = {
    "a": {"href", "title"},
    "img": {"src", "alt", "width", "height"},
    "ol": {"start"},
    "th": {"colspan", "rowspan", "style"},
    "td": {"colspan", "rowspan", "style"},
    **{name: {"style"} for name in ("p", "div", "span", "h1", "h2", "h3", "h4", "h5", "h6", "li")},
}
_STYLES = {"color", "background-color", "text-align"}
_SCHEMES = {"http", "https", "mailto", "tel"}
_OWN_FILE = re.compile(r"/api/[a-z][a-z0-9_]*/files/[0-9a-f-]{36}(\?thumbnail=\d{1,4})?\Z")
_PASSES = 4


def _keep_attribute(tag: str, attribute: str, value: str) -> str | None:
    """Pictures come from the files of the service: one from elsewhere would tell its owner who reads the text."""
    if tag == "img" and attribute == "src" and not _OWN_FILE.match(value):
        return None
    return value


_CLEANER = nh3.Cleaner(
    tags=_TAGS,
    attributes=_ATTRIBUTES,
    url_schemes=_SCHEMES,
    filter_style_properties=_STYLES,
    attribute_filter=_keep_attribute,
    link_rel="noopener noreferrer nofollow",
)
_NOTHING = re.compile(r"<[^>]*>|&nbsp;|\s")


class RichTextField(Field):
    """HTML that is safe to show. What is not allowed is taken out, not refused: people paste from anywhere."""

    title = say("富文本", "Rich text")
    samples: ClassVar[tuple[FieldSample, ...]] = (
        FieldSample(
            {},
            (
                ("<p>张三 <b>重要</b>😀</p>", "<p>张三 <b>重要</b>😀</p>"),
                ("a < b & c", "a &lt; b &amp; c"),
                ("<script>alert(1)</script>x", "x"),
                ("<p onclick=x()>a", "<p>a</p>"),
                ('<a href="javascript:alert(1)">a</a>', '<a rel="noopener noreferrer nofollow">a</a>'),
                (
                    '<a href="https://example.com/?a=1&amp;b" target="_blank">a</a>',
                    '<a href="https://example.com/?a=1&amp;b" rel="noopener noreferrer nofollow">a</a>',
                ),
                ('<img src="https://spy.example/x.png" onerror="x()">a', "<img>a"),
                (
                    '<img src="/api/shop/files/0193f7a0-1b2c-7d3e-8f40-112233445566?thumbnail=320">',
                    '<img src="/api/shop/files/0193f7a0-1b2c-7d3e-8f40-112233445566?thumbnail=320">',
                ),
                ('<p style="color:red;position:fixed">a</p>', '<p style="color:red">a</p>'),
                ("<svg><style><img src=x onerror=alert(1)></style></svg>", None),
                ("<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=x'>", None),
                ("<p>a\r\nb</p>", "<p>a\nb</p>"),
                ("<p> </p><br>", None),
                ("", None),
            ),
            (
                (5, "type"),
                (["<p>"], "type"),
                ({"html": "x"}, "type"),
                (True, "type"),
                ("a\x00b", "character"),
                ("a\ud800", "character"),
                ("x" * 20_001, "max_length"),
            ),
        ),
    )

    type: Literal["rich_text"] = "rich_text"
    max_length: Annotated[int, Option(ge=1, le=RICH_TEXT_LENGTH)] = 20_000
    """In characters of HTML."""

    def column_type(self) -> StoredType:
        """Text."""
        return Words()

    def coerce(self, value: JSON) -> str | None:
        """Take HTML and leave only what is allowed."""
        text = expect_text(value).replace("\r\n", "\n").replace("\r", "\n").strip()
        check_length(text, 0, RICH_TEXT_LENGTH)
        refuse_control_characters(text, allowed="\n\t")
        clean = _settled(text)
        if "<img " not in clean and not _NOTHING.sub("", clean):
            return None
        check_length(clean, 0, self.max_length)
        return clean

    def convert(self, source: Field, value: Any) -> Any:
        """Take another field's text as text, not as HTML."""
        if isinstance(source, RichTextField):
            return self.coerce(value)
        return self.coerce(html.escape(source.to_text(value), quote=False).replace("\n", "<br>"))

    def formula_type(self) -> Type:
        """Text."""
        return TEXT

    def value_schema(self) -> dict[str, Any]:
        """HTML."""
        return {"type": "string", "contentMediaType": "text/html", "maxLength": self.max_length}


def _settled(text: str) -> str:
    """Sanitise until nothing changes: a text that browsers read in another way each time is refused."""
    for _ in range(_PASSES):
        clean = _CLEANER.clean(text).strip()
        if clean == text:
            return clean
        text = clean
    raise Invalid("html", say("HTML 无法整理,请粘贴为纯文本", "The HTML cannot be tidied; paste it as plain text"))
