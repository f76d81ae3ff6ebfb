"""``url``: a web address. Source: RFC 3986; only http and https, because a link of another scheme (``javascript:``) runs code where it is shown."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from builder.fields.base import JSON, Field, FieldSample, Invalid, Option
from builder.fields.parts.texts import check_length, clean_line, is_host_name
from builder.kernel.limits import URL_LENGTH
from builder.kernel.text import Text, say
from builder.store.types import StoredType, Words
from formulas.types import TEXT, Type

_NEVER = re.compile(r'[\s<>"\\`]')  # would end an attribute or a header where the address is shown


class UrlField(Field):
    """An http or https address without a password in it. Scheme and host are kept in lower case, the rest as given."""

    title = say("网址", "URL")
    samples: ClassVar[tuple[FieldSample, ...]] = (
        FieldSample(
            {"max_length": 100},
            (
                (" HTTPS://Example.COM/A?b=1&c=%20#D ", "https://example.com/A?b=1&c=%20#D"),
                ("http://公司.中国/产品?名=张三", "http://公司.中国/产品?名=张三"),
                ("http://erp:8080", "http://erp:8080"),
                ("http://[2001:DB8::1]:80/x", "http://[2001:db8::1]:80/x"),
                ("http://10.0.0.1/?", "http://10.0.0.1/?"),
                ("", None),
            ),
            (
                ("www.example.com", "url"),
                ("ftp://example.com", "url"),
                ("javascript:alert(1)", "url"),
                ("JaVaScRiPt://example.com/%0aalert(1)", "url"),
                ("data:text/html,x", "url"),
                ("//example.com", "url"),
                ("http:example.com", "url"),
                ("http:///x", "url"),
                ("https://user:secret@example.com", "url"),
                ("https://user@example.com", "url"),
                ("https://example.com\\@evil.example", "url"),
                ("https://exa mple.com", "url"),
                ('https://example.com/"onload="x', "url"),
                ("https://example.com:99999", "url"),
                ("https://example.com:x", "url"),
                ("https://[::1", "url"),
                ("https://-a.example", "url"),
                ("https://a..example", "url"),
                ("https://\u202eexample.com", "url"),
                ("https://example.com/\x00", "character"),
                ("https://exam\nple.com/", "character"),
                ("https://example.com/" + "a" * 100, "max_length"),
                (5, "type"),
                ({"href": "https://example.com"}, "type"),
            ),
        ),
    )

    type: Literal["url"] = "url"
    max_length: Annotated[int, Option(ge=20, le=URL_LENGTH)] = URL_LENGTH
    """In characters (code points)."""

    def column_type(self) -> StoredType:
        """Text."""
        return Words()

    def coerce(self, value: JSON) -> str | None:
        """Check scheme, host and port; what follows them is not touched."""
        text = clean_line(value)
        if text is None:
            return None
        check_length(text, 0, self.max_length)
        scheme, separator, rest = text.partition("://")
        if not separator or scheme.lower() not in ("http", "https"):
            raise _refused(say("网址应以 http:// 或 https:// 开头", "A web address begins with http:// or https://"))
        if _NEVER.search(text):
            raise _refused(
                say(
                    "网址中不能有空格、引号、尖括号或反斜杠",
                    "A web address has no spaces, quotes, angle brackets or backslashes",
                )
            )
        authority = re.split("[/?#]", rest, maxsplit=1)[0]
        if "@" in authority:
            raise _refused(say("网址中不能带用户名或密码", "A web address must not carry a user name or password"))
        if not _is_authority(authority):
            raise _refused(say("网址中的主机名或端口有误", "The host or port of the web address is not valid"))
        return f"{scheme.lower()}://{authority.lower()}{rest[len(authority) :]}"

    def formula_type(self) -> Type:
        """Text."""
        return TEXT

    def value_schema(self) -> dict[str, Any]:
        """An address of http or https."""
        return {"type": "string", "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://", "maxLength": self.max_length}


def _is_authority(authority: str) -> bool:
    """Whether a text is a host with an optional port."""
    try:
        parts = urlsplit(f"//{authority}")
        host, port = parts.hostname or "", parts.port
        if authority.startswith("["):
            ipaddress.IPv6Address(host)
            bare = f"[{host}]"
        else:
            bare = host
    except ValueError:
        return False
    shown = bare if port is None else f"{bare}:{port}"
    return authority.lower() == shown and (authority.startswith("[") or is_host_name(host.removesuffix(".")))


def _refused(message: Text) -> Invalid:
    return Invalid("url", message)
