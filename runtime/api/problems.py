"""Problems as HTTP (RFC 9457): the only place that knows how one looks on the wire.

``problem_reply`` makes the answer; ``problem_of`` turns any exception into a problem. What a caller did not cause is an internal
problem: its answer holds a code and the request's id, nothing else; the rest is in the log under the same id.
"""

from __future__ import annotations

import errno
import html
from typing import Any

import sqlalchemy as sa

from builder.kernel.canonical import JSON, dump_json
from builder.kernel.limits import VIOLATIONS_SHOWN
from builder.kernel.problems import CODES, Problem, Violation
from builder.kernel.text import Language, Text, say
from builder.store.database import ConstraintRefused, DatabaseBusy, DatabaseFull, StatementTimeout, StatementTooDeep
from formulas.errors import FormulaError
from runtime.api.http import ClientGone, Header

PROBLEM_TYPE = "application/problem+json"
PROBLEMS_PATH = "/problems/"
_RETRY_SECONDS = 2
_FULL_RETRY_SECONDS = 60
_SQLITE_ERROR = 1
_SQLITE_FULL = 13
_DISK_FULL = "53100"


def problem_reply(problem: Problem, language: Language, request_id: str) -> tuple[int, list[Header], bytes]:
    """Return (status, headers, body) of a problem."""
    headers: list[Header] = [
        (b"content-type", PROBLEM_TYPE.encode()),
        (b"content-language", language.encode()),
        (b"vary", b"Accept-Language"),
    ]
    if problem.status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="dougong"'))
    if problem.retry_after_seconds is not None:
        headers.append((b"retry-after", str(problem.retry_after_seconds).encode()))
    if "allow" in problem.extra:
        headers.append((b"allow", ", ".join(problem.extra["allow"]).encode()))
    return problem.status, headers, dump_json(problem_document(problem, language, request_id))


def problem_document(problem: Problem, language: Language, request_id: str) -> dict[str, JSON]:
    """Return the members of a problem document, all violations sorted by pointer, at most ``VIOLATIONS_SHOWN``."""
    document: dict[str, JSON] = {
        "type": PROBLEMS_PATH + problem.code,
        "title": problem.title.pick(language),
        "status": problem.status,
        "detail": problem.detail.pick(language),
        "instance": f"urn:request:{request_id}",
        "code": problem.code,
    }
    if problem.violations:
        shown = sorted(problem.violations, key=lambda violation: violation.pointer)[:VIOLATIONS_SHOWN]
        document["errors"] = [_violation(violation, language) for violation in shown]
        if len(problem.violations) > len(shown):
            document["errors_total"] = len(problem.violations)
    if problem.retry_after_seconds is not None:
        document["retry_after"] = problem.retry_after_seconds
    return {**in_language(problem.extra, language), **document}


def in_language(value: Any, language: Language) -> Any:
    """Return JSON in which every text in two languages is in one."""
    if isinstance(value, Text):
        return value.pick(language)
    if isinstance(value, dict):
        return {name: in_language(item, language) for name, item in value.items()}
    if isinstance(value, list):
        return [in_language(item, language) for item in value]
    return value


def _violation(violation: Violation, language: Language) -> dict[str, JSON]:
    return {
        "code": violation.code,
        "pointer": violation.pointer,
        "detail": violation.message.pick(language),
        "params": dict(violation.params),
    }


# --- exceptions -------------------------------------------------------------------------------------------------------


def client_left(error: BaseException) -> bool:
    """Tell whether an exception only says that the client went away."""
    return isinstance(error, ClientGone) or isinstance(error.__cause__, ClientGone)


def is_unexpected(error: BaseException) -> bool:
    """Tell whether an exception is our own failure, to be logged with its traceback."""
    return problem_of(error).code == "service.internal"


def problem_of(error: BaseException) -> Problem:
    """Return the problem that an exception means to the caller."""
    if isinstance(error, Problem):
        return error
    if isinstance(error.__cause__, Problem):  # FastAPI wraps what is raised while it reads a body
        return error.__cause__
    return _too_deep(error) or _from_storage(error) or Problem("service.internal")


def _too_deep(error: BaseException) -> Problem | None:
    """A condition that is right, but nested deeper than the database or its statement may be."""
    if not isinstance(error, StatementTooDeep) and (not isinstance(error, FormulaError) or error.kind != "LIMIT"):
        return None
    text = say(
        "条件对数据库来说过于复杂;请减少嵌套,或把其中一部分做成公式字段",
        "The conditions are too complex for the database; nest less, or put a part of them into a formula field",
    )
    return Problem("query.invalid", text)


def _from_storage(error: BaseException) -> Problem | None:
    match error:
        case StatementTimeout() | TimeoutError():
            return took_too_long()
        case ConstraintRefused(kind="unique"):
            return Problem("record.exists", say("与已有的值重复", "This value exists already"))
        case ConstraintRefused(kind="reference"):
            return Problem(
                "record.referenced", say("仍被引用,或引用的内容不存在", "Still referenced, or refers to nothing")
            )
        case ConstraintRefused():
            return Problem("record.invalid")
        case _ if _has_no_room(error):
            return full()
        case DatabaseBusy() | sa.exc.InterfaceError() | sa.exc.TimeoutError():
            return unavailable()
        case sa.exc.OperationalError():
            # sqlite3 raises it for wrong SQL too (code 1), which is our own failure
            return None if getattr(error.orig, "sqlite_errorcode", None) == _SQLITE_ERROR else unavailable()
    return None


def took_too_long() -> Problem:
    """Make the problem of a request or statement that was stopped."""
    return Problem(
        "limit.time",
        say("处理时间过长,已停止;请缩小范围后重试", "This took too long and was stopped; ask for less, or try again"),
        retry_after_seconds=_RETRY_SECONDS,
    )


def full() -> Problem:
    """Make the problem of a disk without room: what was to be written is not there by halves."""
    return Problem(
        "service.full",
        say(
            "服务器存储空间已满,未写入任何内容;请联系管理员清理后重试",
            "The server's storage is full and nothing was written; ask the administrator to make room, then try again",
        ),
        retry_after_seconds=_FULL_RETRY_SECONDS,
    )


def _has_no_room(error: BaseException) -> bool:
    """Tell whether a disk is full: that of the database, or that of a file that is being uploaded."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    said = getattr(error, "orig", None)  # by a driver: sqlite3, psycopg
    by_sqlite = getattr(said, "sqlite_errorcode", None) == _SQLITE_FULL
    return isinstance(error, DatabaseFull) or by_sqlite or getattr(said, "sqlstate", None) == _DISK_FULL


def unavailable() -> Problem:
    """Make the problem of a database that is away or has no room for us now."""
    return Problem(
        "service.unavailable",
        say("数据库暂时无法使用,请稍后重试", "The database cannot be used at the moment; try again shortly"),
        retry_after_seconds=_RETRY_SECONDS,
    )


# --- the pages that ``type`` points at --------------------------------------------------------------------------------


def problem_page(code: str, *, as_html: bool) -> tuple[list[Header], bytes] | None:
    """Return (headers, body) of the page about a code, in both languages; None if there is no such code."""
    row = CODES.get(code)
    if row is None:
        return None
    document = {"code": code, "status": row.status, "title": {"zh": row.title.zh, "en": row.title.en}}
    if not as_html:
        return [(b"content-type", b"application/json")], dump_json(document)
    zh, en = (html.escape(words) for words in row.title)
    page = (
        f'<!doctype html><html lang="zh"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{code}</title><h1>{zh}</h1><p lang=en>{en}</p><p><code>{code}</code> · HTTP {row.status}</p>"
    )
    return [(b"content-type", b"text/html; charset=utf-8")], page.encode()
