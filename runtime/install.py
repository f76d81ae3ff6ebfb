"""Installing an app package: people, definition, version 1, sample records."""

from __future__ import annotations

import asyncio

import sqlalchemy as sa

from builder.kernel.problems import Problem
from builder.packages.package import Package
from builder.packages.people import read_people
from builder.packages.sample import read_sample
from builder.packages.templates import get_template
from builder.registry.apps import create_app, get_app
from builder.registry.publishing import publish_draft
from builder.store import tables
from runtime.identity.users import User
from runtime.records.caller import system_caller
from runtime.records.loading import Progress
from runtime.services import Services


async def install_template(services: Services, key: str, *, progress: Progress = lambda _: None) -> int:
    """Install a bundled template with its sample records unless it is there already; return how many records came in.

    An installation that was killed half-way is finished by the next one.

    Raises:
        Problem: ``template.not_found``.
    """
    return await install_package(services, await asyncio.to_thread(get_template, key), progress=progress)


async def install_package(
    services: Services, package: Package, *, sample: bool = True, progress: Progress = lambda _: None
) -> int:
    """Publish a package's app and load its sample records, unless that has been done; return how many records came in."""
    if not await asyncio.to_thread(_is_published, services, package.key):
        await asyncio.to_thread(publish_package, services, package, None)
    return await load_sample(services, package, progress=progress) if sample else 0


async def load_sample(services: Services, package: Package, *, progress: Progress = lambda _: None) -> int:
    """Load the sample records of a published package through the one write path, all or nothing; not twice.

    Raises:
        Problem: ``package.invalid``, ``record.invalid``.
    """
    caller = system_caller(services.ids.record_id(), "install")
    if await asyncio.to_thread(_has_events, services, package.key):
        return 0
    await asyncio.to_thread(add_people, services, package)
    users = {user.username: user.id for user in await asyncio.to_thread(_all_users, services)}
    departments = {d.key: d.id for d in await asyncio.to_thread(services.identity.departments.list_departments)}
    sample = await asyncio.to_thread(lambda: read_sample(package, find_user=users.get, find_department=departments.get))
    batches = [(batch.entity, batch.rows) for batch in sample.batches]
    later = [(item.entity, item.id, item.values) for item in sample.later]
    return await services.records.load(caller, package.key, batches, later, progress)


def publish_package(services: Services, package: Package, author: str | None) -> None:
    """Create the app of a package and publish it."""
    try:
        create_app(services.registry, package.definition, author)
    except Problem as problem:
        if problem.code != "app.exists":
            raise
    publish_draft(services.registry, package.key, base_version=0, plan_hash=None, author=author, note="install")


def _is_published(services: Services, app: str) -> bool:
    with services.database.snapshot() as connection:
        try:
            return get_app(connection, app).published_version > 0
        except Problem:
            return False


def _has_events(services: Services, app: str) -> bool:
    # not by the feed: on PostgreSQL it holds back what is newer than the oldest transaction still running
    with services.database.snapshot() as connection:
        event = tables.event
        return connection.scalar(sa.select(event.c.id).where(event.c.app == app).limit(1)) is not None


def add_people(services: Services, package: Package) -> None:
    """Add the sample departments and users that are not there yet. They have no password, so nobody can log in as them."""
    people = read_people(package)
    departments = {d.key: d.id for d in services.identity.departments.list_departments()}
    for department in people.departments:
        if department.key not in departments:
            parent = departments.get(department.parent or "")
            made = services.identity.departments.create_department(department.key, department.name, parent)
            departments[made.key] = made.id
    users = {user.username: user.id for user in _all_users(services)}
    for user in people.users:
        if user.username not in users:
            values = {
                "username": user.username,
                "name": user.name,
                "email": user.email,
                "department_id": departments.get(user.department or ""),
                "manager_id": users.get(user.manager or ""),
                "position": user.position,
            }
            users[user.username] = services.identity.users.create_user(values).id
    subjects = {"user": users, "department": departments}
    for grant in people.grants:
        subject = subjects[grant.kind].get(grant.subject, "") if grant.kind in subjects else grant.subject
        services.identity.grants.give(package.key, grant.role, grant.kind, subject)


def _all_users(services: Services) -> list[User]:
    found: list[User] = []
    while page := services.identity.users.list_users(after=found[-1].username if found else "", limit=100):
        found += page
    return found
