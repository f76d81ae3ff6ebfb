"""Check, plan, publish, roll back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from builder.checks.finding import Finding
from builder.checks.run import run_checks
from builder.compiled.app import CompiledApp, compile_app
from builder.definition.kinds import Definition
from builder.definition.parse import parse_definition
from builder.kernel.canonical import parse_json
from builder.kernel.problems import Problem, Violation
from builder.kernel.text import say
from builder.publish.kept import list_kept
from builder.publish.plan import Plan, make_plan
from builder.publish.publish import Intent, lock_app, publish
from builder.registry.drafts import load_draft, replace_draft
from builder.registry.lineage import with_renames
from builder.registry.registry import PublishedApp, Registry, find_published, get_package
from builder.store import tables
from builder.store.database import ConstraintRefused, DatabaseBusy

JSON = Any


@dataclass(frozen=True)
class Publication:
    """What a publish did."""

    published: PublishedApp
    plan: Plan


def check_draft(registry: Registry, app: str) -> list[Finding]:
    """Return all findings of the draft."""
    with registry.database.snapshot() as connection:
        return run_checks(load_draft(connection, app))


def plan_draft(registry: Registry, app: str) -> Plan:
    """Return what publishing the draft would do.

    Raises:
        Problem: ``publish.findings`` if the draft has errors.
    """
    with registry.database.snapshot() as connection:
        draft = load_draft(connection, app)
        return _plan(registry, connection, draft)


def plan_rollback(registry: Registry, app: str, version: int) -> Plan:
    """Return what going back to a version would do."""
    with registry.database.snapshot() as connection:
        return _plan(registry, connection, _former(registry, connection, app, version))


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
        Problem: ``publish.findings|conflict|plan_changed|blocked|lossy|busy``.
    """
    return _publish(registry, app, None, base_version, Intent(plan_hash, accept_lossy, author, note))


def roll_back(
    registry: Registry, app: str, version: int, *, base_version: int | None = None, author: str | None = None
) -> Publication:
    """Publish a former version's definition as a new version. Data written since stays: what leaves is kept aside, what left comes back."""
    note = f"rollback to {version}"
    return _publish(registry, app, version, base_version, Intent(None, True, author, note))


def _publish(
    registry: Registry,
    app: str,
    former_version: int | None,
    base_version: int | None,
    intent: Intent,
) -> Publication:
    try:
        with registry.database.exclusive_schema() as connection:
            version = lock_app(connection, app)
            if base_version is not None and base_version != version:
                detail = say(
                    f"现在已发布的是版本 {version},不是 {base_version}",
                    f"Version {version} is published now, not {base_version}",
                )
                raise Problem("publish.conflict", detail, extra={"published_version": version})
            if former_version is None:
                definition = load_draft(connection, app)
            else:
                definition = _former(registry, connection, app, former_version)
                replace_draft(registry, connection, definition, intent.author)
            refuse_errors(run_checks(definition))
            base = find_published(registry, connection, app)
            plan = publish(
                connection,
                registry.database.dialect,
                base.app if base else None,
                compile_app(definition, version + 1),
                intent,
                now=registry.clock.now(),
                ids=registry.ids,
            )
            published = find_published(registry, connection, app)
    except ConstraintRefused as refused:
        raise _refused(str(refused)) from refused
    except sa.exc.IntegrityError as refused:
        raise _refused(str(refused.orig)) from refused
    except (sa.exc.OperationalError, DatabaseBusy) as busy:
        if not _is_lock(busy):
            raise
        detail = say("数据库正忙,未作任何改动;请稍后再试", "The database is busy; nothing was changed; try again")
        raise Problem("publish.busy", detail, retry_after_seconds=5) from busy
    assert published is not None
    return Publication(published, plan)


def _is_lock(error: Exception) -> bool:
    text = str(error)
    return isinstance(error, DatabaseBusy) or "lock" in text


def _refused(name: str) -> Problem:
    detail = say(
        f"现有数据违反约束,未作任何改动:{name}",
        f"The records there are break a constraint; nothing was changed: {name}",
    )
    return Problem("publish.blocked", detail)


def _plan(registry: Registry, connection: sa.Connection, definition: Definition) -> Plan:
    refuse_errors(run_checks(definition))
    base = find_published(registry, connection, definition.key)
    return make_plan(
        connection,
        base.app if base else None,
        _target(definition, base),
        list_kept(connection, definition.key),
    )


def _target(definition: Definition, base: PublishedApp | None) -> CompiledApp:
    return compile_app(definition, base.app.version + 1 if base else 1)


def refuse_errors(findings: list[Finding]) -> None:
    """Raise ``publish.findings`` with every error, if there is one."""
    errors = [finding for finding in findings if finding.severity == "error"]
    if not errors:
        return
    violations = [
        Violation(f.code, f.pointer, f.message, {"document": f"{f.document.kind}/{f.document.key}"}) for f in errors
    ]
    detail = say(f"草稿有 {len(errors)} 处错误", f"The draft has {len(errors)} errors")
    raise Problem("publish.findings", detail, violations=violations)


def _former(registry: Registry, connection: sa.Connection, app: str, version: int) -> Definition:
    """Return a former version's definition, with renames since then turned round so that the plan renames back."""
    former = parse_definition(parse_json(get_package(connection, app, version)))
    row = tables.version
    later = connection.scalars(
        sa.select(row.c.package).where((row.c.app == app) & (row.c.version > version)).order_by(row.c.version)
    )
    return with_renames(former, [parse_definition(parse_json(package)) for package in later])
