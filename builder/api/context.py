"""What all routes of the builder share: who may, what they work on, how they answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from fastapi import Request, Response

from builder.kernel.canonical import dump_json, parse_json
from builder.kernel.clock import instant_text
from builder.kernel.problems import Problem, Violation, escape_pointer, nearest_hint
from builder.kernel.text import Language, errors_found, pick_language, say
from builder.packages.package import Package
from builder.registry.preconditions import Precondition
from builder.registry.registry import Registry

JSON = Any
_ETAGS = 50


class Author(Protocol):
    """Who makes a request, as far as the builder cares."""

    @property
    def user_id(self) -> str | None:
        """The user's id."""

    @property
    def username(self) -> str:
        """The user's name."""

    @property
    def oversees(self) -> bool:
        """Whether it is an admin who may look at everybody's records: in person, or by a token that says so."""


@dataclass(frozen=True)
class Context:
    """What the composition root gives to the routes."""

    registry: Registry
    authorize: Callable[[str], Callable[..., Awaitable[Author]]]
    """For ``builder`` or ``admin``: the dependency that lets pass who has the role."""
    load_sample: Callable[[Package], int]
    """Loads a package's sample records into the published app, through the one write path; called in a thread."""
    language: Language


def author_id(author: Author) -> str:
    """Return what is written into versions and documents."""
    return author.user_id or author.username


def language_of(context: Context, request: Request) -> Language:
    """Choose the language of texts in an answer."""
    return pick_language(request.headers.get("accept-language"), context.language)


def reply(
    value: JSON, *, status: int = 200, meta: Mapping[str, JSON] | None = None, revision: int | None = None
) -> Response:
    """Answer ``{"data": …, "meta": …}`` with exact numbers; a revision becomes the ETag."""
    body: dict[str, JSON] = {"data": value}
    if meta is not None:
        body["meta"] = dict(meta)
    headers = {} if revision is None else {"etag": f'"{revision}"'}
    return Response(dump_json(body), status, headers, "application/json")


async def exact_body(request: Request) -> JSON:
    """Read the body as JSON with exact decimals (FastAPI dependency).

    Raises:
        Problem: ``request.media_type``, ``request.malformed``, ``limit.depth``.
    """
    declared = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not (declared == "application/json" or (declared.startswith("application/") and declared.endswith("+json"))):
        detail = say(
            "请求内容须声明为 Content-Type: application/json", "Send the body as Content-Type: application/json"
        )
        raise Problem("request.media_type", detail)
    return parse_json(await request.body())


def read_object(body: JSON, members: Mapping[str, type], *, required: tuple[str, ...] = ()) -> dict[str, JSON]:
    """Return a small request object whose members have exactly these types; anything else is refused.

    Raises:
        Problem: ``request.malformed`` with every member that is wrong.
    """
    if not isinstance(body, dict):
        raise Problem("request.malformed", say("请求内容应是 JSON 对象", "The body is a JSON object"))
    violations = [_unknown(name, members) for name in body if name not in members]
    for name, kind in members.items():
        if name in body and type(body[name]) is not kind:
            message = say(f"应是 {kind.__name__}", f"Expected {kind.__name__}")
            violations.append(Violation("type", f"/{name}", message))
        elif name in required and name not in body:
            violations.append(Violation("required", f"/{name}", say(f"缺少“{name}”", f'"{name}" is missing')))
    if violations:
        count = len(violations)
        raise Problem("request.malformed", errors_found(count), violations=violations)
    return body


def _unknown(name: str, members: Mapping[str, type]) -> Violation:
    hint = nearest_hint(name, members)
    message = say(f"没有成员“{name[:100]}”{hint.zh}", f'There is no member "{name[:100]}"{hint.en}')
    return Violation("unknown", f"/{escape_pointer(name[:100])}", message)


def precondition(request: Request, *, required: bool = False) -> Precondition:
    """Read ``If-Match`` and ``If-None-Match``.

    Raises:
        Problem: ``request.header``.
    """
    if_match, if_none_match = request.headers.get("if-match"), request.headers.get("if-none-match")
    if if_none_match is not None:
        if if_none_match.strip() != "*":
            raise _bad_header("If-None-Match")
        return Precondition(exists=False)
    if if_match is None:
        return Precondition(required=required)
    if if_match.strip() == "*":
        return Precondition(exists=True)
    return Precondition(frozenset(_revision(tag) for tag in if_match.split(",")[:_ETAGS]))


def _revision(tag: str) -> int:
    digits = tag.strip().removeprefix("W/").strip('"')
    if not (digits.isascii() and digits.isdigit() and len(digits) < 16):
        raise _bad_header("If-Match")
    return int(digits)


def _bad_header(name: str) -> Problem:
    return Problem("request.header", say(f'{name} 应是 ETag,如 "3",或 *', f'{name} takes an ETag such as "3", or *'))


def moment(at: datetime) -> str:
    """Write an instant."""
    return instant_text(at)
