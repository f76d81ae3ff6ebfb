"""Every route there is: nobody gets past without credentials but where this list says so, and no write ever."""

from __future__ import annotations

import re
import warnings
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.service import Service, running
from tests.support.tree import ROOT

pytestmark = pytest.mark.anyio

#: Open to everybody, each with its reason.
PUBLIC = {
    ("GET", "/healthz"): "a probe",
    ("GET", "/readyz"): "a probe",
    ("GET", "/metrics"): "counts only; the reverse proxy keeps it inside",
    ("GET", "/openapi.json"): "our own API, the same for everybody",
    ("GET", "/docs"): "our own API",
    ("GET", "/problems/{code}"): "what codes mean",
    ("POST", "/api/auth/login"): "how one gets in",
    ("POST", "/api/auth/setup"): "how a one-time link is used",
    ("GET", "/api/auth/ways"): "what a login page has to know; names nobody",
    ("GET", "/api/auth/oidc/login"): "how one goes to the login provider",
    ("GET", "/api/auth/oidc/callback"): "how one comes back from it, with a state and a code",
    ("POST", "/api/auth/oidc/backchannel"): "what the provider itself calls, with a signed token",
    ("POST", "/api/shared/open"): "what a share link shows, to who has its secret",
    ("GET", "/api/{app}/forms/{form}"): "a public form",
    ("POST", "/api/{app}/forms/{form}"): "handing a public form in: creates, and nothing else",
    ("POST", "/api/{app}/forms/{form}/files"): "a file for a public form, proved and counted",
    ("POST", "/api/auth/reset"): "how one who forgot the password gets in; same answer for all",
    ("POST", "/api/{app}/hooks/{automation}"): "messages of other systems: their signature lets them in",
}
_ANY = "00000000-0000-7000-8000-000000000001"


@pytest.fixture
async def service(anyio_backend: str, migrated_database_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    """An instance with an admin, so that setup is over."""
    async with running(migrated_database_url, files_folder=tmp_path / "files") as made:
        made.add_user("admin", "admin")
        yield made


def framework_routes(service: Service) -> list[tuple[str, str]]:
    """Method and path of every route of the framework."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names of operations are another test's matter
        paths = service.app.web.openapi()["paths"]
    return [(method.upper(), path) for path, methods in paths.items() for method in methods]


def raw_routes() -> list[str]:
    """Paths that applications without the framework note for the log."""
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "runtime" / "api").glob("*.py")]
    return sorted({found for text in texts for found in re.findall(r'"(/api/\{app\}/[^"\s]*)"', text)})


def filled(path: str) -> str:
    return re.sub(r"\{[^}]*\}", _ANY, path.replace("{app}", "someapp").replace("{entity}", "thing"))


async def test_nobody_gets_past_without_credentials_CVE_2026_41428_CVE_2026_48147(service: Service) -> None:
    wrong = []
    async with service.client() as client:
        asked = framework_routes(service)
        asked += [(method, path) for path in raw_routes() for method in ("GET", "POST", "PUT", "PATCH", "DELETE")]
        assert len(asked) > 60
        for method, path in asked:
            if (method, path) in PUBLIC:
                continue
            reply = await client.request(method, filled(path), json={} if method not in ("GET", "DELETE") else None)
            nowhere = reply.status_code == 404 and reply.json()["code"] == "route.not_found"
            if reply.status_code not in (401, 405) and not nowhere:
                wrong.append(f"{method} {path} {reply.status_code}")
    assert "\n".join(wrong) == ""


def test_the_list_of_open_routes_has_no_write_but_the_ways_in() -> None:
    assert {path for method, path in PUBLIC if method != "GET"} == {
        "/api/auth/login",
        "/api/auth/setup",
        "/api/auth/reset",
        "/api/auth/oidc/backchannel",
        "/api/{app}/hooks/{automation}",
        "/api/shared/open",
        "/api/{app}/forms/{form}",
        "/api/{app}/forms/{form}/files",
    }
