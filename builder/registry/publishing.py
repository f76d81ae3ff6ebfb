"""Check, plan, publish, roll back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from builder.checks.finding import Finding
from builder.checks.run import run_checks
from builder.compiled.app import compile_app
from builder.definition.kinds import APP, Definition
from builder.definition.parse import parse_definition
from builder.kernel.canonical import parse_json
from builder.kernel.problems import Problem, Violation
from builder.kernel.text import errors_found, say
from builder.publish.diff import Change
from builder.publish.plan import Plan, make_plan
from builder.publish.publish import Intent, lock_app, publish
from builder.registry.busy import busy, told_when_busy
from builder.registry.drafts import list_documents, load_draft, replace_draft
from builder.registry.registry import PublishedApp, Registry, find_published, get_lineage, get_package
from builder.registry.surroundings import look_around
from builder.store.database import ConstraintRefused

JSON = Any
_PLAN_TRIES = 3


@dataclass(frozen=True)
class Publication:
    """What a publish did."""

    published: PublishedApp
    plan: Plan


def check_draft(registry: Registry, app: str) -> list[Finding]:
    """Return all findings of the draft."""
    with registry.database.snapshot() as connection:
        published = find_published(registry, connection, app)
        draft = load_draft(connection, app)
        found = run_checks(draft, published.app.definition if published else None)
        return [*found, *look_around(connection, draft)]


def plan_draft(registry: Registry, app: str) -> Plan:
    """Return what publishing the draft would do.

    Raises:
        Problem: ``publish.findings`` if the draft has errors.
    """
    return _plan(registry, app, None)


def plan_rollback(registry: Registry, app: str, version: int) -> Plan:
    """Return what going back to a version would do."""
    return _plan(registry, app, version)


def _plan(registry: Registry, app: str, former_version: int | None) -> Plan:
    for left in reversed(range(_PLAN_TRIES)):
        try:
            with registry.database.snapshot() as connection:
                change = _make_change(registry, connection, app, former_version)
                warnings = tuple(look_around(connection, change.target.definition))
                return replace(make_plan(connection, change), warnings=warnings)
        except sa.exc.ProgrammingError as moved:
            # on PostgreSQL a publish may rename a table between two looks: a snapshot holds rows, not names
            if not left:
                raise busy() from moved
    raise AssertionError("unreachable")


def publish_draft(
    registry: Registry,
    app: str,
    *,
    base_version: int | None,
    plan_hash: str | None,
    accept_lossy: bool = False,
    note: str | None = None,
    author: str | None = None,
) -> Publication:
    """Publish the draft as the next version.

    Args:
        base_version: the version the caller saw as published; another one published meanwhile is a conflict. None = whatever it is.
        plan_hash: the plan the caller agreed to. None = whatever it is.

    Raises:
        Problem: ``publish.findings|scenarios|conflict|plan_changed|blocked|lossy|busy``.
    """
    rehearsed = _rehearse(registry, app)
    intent = Intent(plan_hash, accept_lossy, author, note)
    return _publish(registry, app, None, base_version, intent, rehearsed=rehearsed)


def roll_back(
    registry: Registry, app: str, version: int, *, base_version: int | None = None, author: str | None = None
) -> Publication:
    """Publish a former version's definition as a new version. Data written since stays: what leaves is kept aside, what left comes back."""
    note = f"rollback to {version}"
    return _publish(registry, app, version, base_version, Intent(None, True, author, note))


def _rehearse(registry: Registry, app: str) -> str | None:
    """Play the draft's scenarios if the app wants it; return the hash of the draft that was played.

    Raises:
        Problem: ``publish.findings``, ``publish.scenarios`` with every sentence that is not so.
    """
    if registry.rehearse is None:
        return None
    with registry.database.snapshot() as connection:
        if not any(each.body.get("test_before_publish") for each in list_documents(connection, app, APP.name)):
            return None
        definition = load_draft(connection, app)
    refuse_errors(run_checks(definition))
    violations = registry.rehearse(definition)
    if violations:
        count = len(violations)
        detail = say(
            f"场景测试有 {count} 处不符,未发布", f"{count} sentences of the scenarios are not so; not published"
        )
        raise Problem("publish.scenarios", detail, violations=violations)
    return definition.hash()


def _refuse_unrehearsed(definition: Definition, rehearsed: str | None) -> None:
    if rehearsed is not None and definition.hash() != rehearsed:
        detail = say(
            "草稿在场景测试期间又有改动,请重试", "The draft changed while its scenarios were played; try again"
        )
        raise Problem("publish.plan_changed", detail)


def _publish(
    registry: Registry,
    app: str,
    former_version: int | None,
    base_version: int | None,
    intent: Intent,
    *,
    rehearsed: str | None = None,
) -> Publication:
    try:
        with told_when_busy(), registry.database.exclusive_schema() as connection:
            _refuse_other_base(lock_app(connection, app), base_version)
            change = _make_change(registry, connection, app, former_version)
            _refuse_unrehearsed(change.target.definition, rehearsed)
            if former_version is not None:
                replace_draft(registry, connection, change.target.definition, intent.author)
            dialect, now = registry.database.dialect, registry.clock.now()
            plan = publish(connection, dialect, change, intent, now=now, ids=registry.ids)
            published = find_published(registry, connection, app)
    except ConstraintRefused as refused:
        raise _refused(str(refused)) from refused
    except sa.exc.IntegrityError as refused:
        raise _refused(str(refused.orig)) from refused
    assert published is not None
    return Publication(published, plan)


def _make_change(registry: Registry, connection: sa.Connection, app: str, former_version: int | None) -> Change:
    """Return what leads from the published version to the draft, or to a former version.

    Raises:
        Problem: ``publish.findings``, ``version.not_found``.
    """
    found = find_published(registry, connection, app)
    base = found.app if found else None
    if former_version is None:
        definition, goal = load_draft(connection, app), None
    else:
        definition = parse_definition(parse_json(get_package(connection, app, former_version)))
        goal = get_lineage(connection, app, former_version)
    refuse_errors(run_checks(definition, base.definition if base and goal is None else None))
    lineage = get_lineage(connection, app, base.version) if base else {}
    version = base.version + 1 if base else 1
    return Change(base, compile_app(definition, version), lineage, goal, registry.clock.now())


def _refuse_other_base(version: int, base_version: int | None) -> None:
    if base_version is not None and base_version != version:
        detail = say(
            f"现在已发布的是版本 {version},不是 {base_version}",
            f"Version {version} is published now, not {base_version}",
        )
        raise Problem("publish.conflict", detail, extra={"published_version": version})


def _refused(name: str) -> Problem:
    detail = say(
        f"现有数据违反约束,未作任何改动:{name}",
        f"The records there are break a constraint; nothing was changed: {name}",
    )
    return Problem("publish.blocked", detail)


def refuse_errors(findings: list[Finding]) -> None:
    """Raise ``publish.findings`` with every error, if there is one."""
    errors = [finding for finding in findings if finding.severity == "error"]
    if not errors:
        return
    violations = [
        Violation(f.code, f.pointer, f.message, {"document": f"{f.document.kind}/{f.document.key}"}) for f in errors
    ]
    detail = errors_found(len(errors), "草稿", "The draft has")
    raise Problem("publish.findings", detail, violations=violations)
