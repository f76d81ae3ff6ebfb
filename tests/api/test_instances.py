"""Two instances in one process share nothing."""

from __future__ import annotations

import pytest

from tests.support.service import bearer, problem, running

pytestmark = pytest.mark.anyio


async def test_two_instances_with_two_databases_know_nothing_of_each_other(make_migrated_database):
    async with (
        running(make_migrated_database(), language="en") as first,
        running(make_migrated_database(), cors_origins=("https://a.test",)) as second,
        first.client() as one,
        second.client() as two,
    ):
        first.add_user("admin", "admin")
        second.add_user("other", "admin")
        secret = first.session_of("admin")

        assert (await one.get("/api/me", headers=bearer(secret))).status_code == 200
        refused = problem(await two.get("/api/me", headers=bearer(secret)), "auth.required")

        assert refused["detail"] == "登录凭据无效、已过期或已撤销"
        assert problem(await one.get("/api/me"), "auth.required")["detail"] == "Log in first, or send a token"
        assert [user.username for user in second.identity.users.list_users()] == ["other"]
        assert 'route="/api/me",status="200"' in (await one.get("/metrics")).text
        assert 'route="/api/me",status="200"' not in (await two.get("/metrics")).text
        assert [line["status"] for line in first.lines("request")] == [200, 401]
        assert [line["status"] for line in second.lines("request")] == [401]


async def test_stopping_one_instance_leaves_the_other_at_work(make_migrated_database):
    async with running(make_migrated_database()) as first, first.client() as one:
        async with running(make_migrated_database()) as second, second.client() as two:
            assert (await two.get("/readyz")).status_code == 200
        assert (await one.get("/readyz")).status_code == 200


async def test_an_instance_may_run_again_on_the_same_database(migrated_database_url):
    for _ in range(2):
        async with running(migrated_database_url) as service, service.client() as client:
            assert (await client.get("/readyz")).status_code == 200
