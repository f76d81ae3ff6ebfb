"""``email``: one mail address. Source: RFC 5321 4.5.3.1 (lengths), RFC 5322 3.2.3 (dot-atom); quoted local parts and address literals are refused."""

from __future__ import annotations

import re
from typing import Any, ClassVar, Literal

from builder.fields.base import JSON, Field, FieldSample, Invalid
from builder.fields.parts.texts import clean_form, is_host_name
from builder.kernel.text import say
from builder.store.types import StoredType, Words
from formulas.types import TEXT, Type

_LENGTH = 254
_LOCAL_LENGTH = 64
_LOCAL = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(\.[\w!#$%&'*+/=?^`{|}~-]+)*\Z", re.ASCII)


class EmailField(Field):
    """A mail address, kept in lower case: mailboxes ignore case, and one address must not look like two."""

    title = say("邮箱", "Email")
    samples: ClassVar[tuple[FieldSample, ...]] = (
        FieldSample(
            {},
            (
                (" Zhang.San+crm@Example.COM ", "zhang.san+crm@example.com"),
                ("ｌｉ＠ｑｑ．ｃｏｍ", "li@qq.com"),
                ("wang@公司。中国", "wang@公司.中国"),
                ("o'neil@xn--fiqs8s.example", "o'neil@xn--fiqs8s.example"),
                ("", None),
            ),
            (
                ("zhang.example.com", "email"),
                ("a@b", "email"),
                ("a@@b.cn", "email"),
                ("a@b.cn@c.cn", "email"),
                (".a@b.cn", "email"),
                ("a..b@b.cn", "email"),
                ("a b@b.cn", "email"),
                ("张三 <a@b.cn>", "email"),
                ("a@b.cn,c@d.cn", "email"),
                ("a@-b.cn", "email"),
                ("a@b_😀.cn", "email"),
                ("a@1.2.3.4", "email"),
                ("a@[1.2.3.4]", "email"),
                ("a" * 65 + "@b.cn", "email"),
                ("a@" + "b." * 130 + "cn", "max_length"),
                ("a\r\nBcc: x@y.cn", "character"),
                ("a\x00@b.cn", "character"),
                ("\u202ea@b.cn", "email"),
                (5, "type"),
                (["a@b.cn"], "type"),
            ),
        ),
    )

    type: Literal["email"] = "email"

    def column_type(self) -> StoredType:
        """Text."""
        return Words()

    def coerce(self, value: JSON) -> str | None:
        """Make full-width forms and upper case alike, check the parts."""
        text = clean_form(value)
        if not text:
            return None
        if len(text) > _LENGTH:
            raise Invalid(
                "max_length", say(f"邮箱最多 {_LENGTH} 个字符", f"At most {_LENGTH} characters"), max_length=_LENGTH
            )
        local, _, domain = text.lower().replace("。", ".").rpartition("@")
        top = domain.rpartition(".")[2]
        if len(local) > _LOCAL_LENGTH or not _LOCAL.match(local) or not is_host_name(domain, dots=1) or top.isdigit():
            raise Invalid(
                "email",
                say(
                    "邮箱地址有误,应形如 name@example.com", "Not a mail address; expected a form like name@example.com"
                ),
            )
        return f"{local}@{domain}"

    def formula_type(self) -> Type:
        """Text."""
        return TEXT

    def value_schema(self) -> dict[str, Any]:
        """A mail address; the domain may be in any script."""
        return {"type": "string", "format": "idn-email", "maxLength": _LENGTH}
