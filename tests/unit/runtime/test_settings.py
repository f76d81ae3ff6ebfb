"""Settings: where they come from, and what is said about wrong ones."""

from __future__ import annotations

import pytest

from builder.kernel.problems import Problem
from runtime.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def no_environment(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"DOUGONG_{name.upper()}", raising=False)
    monkeypatch.delenv("DOUGONG_SETTINGS", raising=False)


def refused(**given: object) -> dict[str, str]:
    """Pointer -> English sentence of every violation."""
    with pytest.raises(Problem) as caught:
        load_settings(**given)
    assert caught.value.code == "settings.invalid"
    for violation in caught.value.violations:
        assert violation.message.zh
    return {violation.pointer: violation.message.en for violation in caught.value.violations}


def test_nothing_has_to_be_set():
    settings = load_settings()

    assert settings.database_url == "sqlite:///data/dougong.db"
    assert (settings.host, settings.port, settings.language) == ("127.0.0.1", 8000, "zh")
    assert not settings.secure_cookie


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(monkeypatch, tmp_path):
    (tmp_path / "dougong.toml").write_text('port = 1\nhost = "file"\nlanguage = "en"\n', encoding="utf-8")
    monkeypatch.setenv("DOUGONG_PORT", "2")
    monkeypatch.setenv("DOUGONG_HOST", "environment")

    settings = load_settings(port=3, host=None)

    assert (settings.port, settings.host, settings.language) == (3, "environment", "en")


def test_the_file_may_stand_elsewhere(monkeypatch, tmp_path):
    (tmp_path / "other.toml").write_text("port = 7\n", encoding="utf-8")
    monkeypatch.setenv("DOUGONG_SETTINGS", str(tmp_path / "other.toml"))

    assert load_settings().port == 7


def test_every_setting_says_what_it_is_for():
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name


def test_lists_are_written_with_commas(monkeypatch):
    monkeypatch.setenv("DOUGONG_CORS_ORIGINS", "https://A.test/, http://b.test:3000")

    assert load_settings().cors_origins == ("https://a.test", "http://b.test:3000")


@pytest.mark.parametrize(
    "given, pointer, words",
    [
        ({"port": "many"}, "/port", "DOUGONG_PORT: Input should be a valid integer"),
        ({"port": 70_000}, "/port", "less than or equal to 65535"),
        ({"database_url": "mysql://x"}, "/database_url", "postgresql://user@host:port/name"),
        ({"database_url": "sqlite://"}, "/database_url", "sqlite:///file"),
        ({"database_url": "sqlite:///"}, "/database_url", "sqlite:///file"),
        ({"database_url": "postgresql:x"}, "/database_url", "sqlite:///file"),
        ({"public_url": "crm.example.com"}, "/public_url", "https://host"),
        ({"public_url": "https://crm.example.com/dougong"}, "/public_url", "without a path"),
        ({"cors_origins": "*"}, "/cors_origins", "https://host"),
        ({"language": "fr"}, "/language", "DOUGONG_LANGUAGE"),
        ({"admin_username": "boss"}, "", "together"),
        ({"workers": 2}, "", "SQLite"),
        ({"surprise": 1}, "/surprise", "no setting surprise"),
    ],
)
def test_a_wrong_setting_is_named(given, pointer, words):
    assert words in refused(**given)[pointer]


def test_all_wrong_settings_are_told_at_once_without_their_values(monkeypatch):
    monkeypatch.setenv("DOUGONG_DATABASE_URL", "mysql://user:canary@host/x")
    monkeypatch.setenv("DOUGONG_PORT", "canary")

    found = refused(log_format="canary")

    assert found.keys() == {"/database_url", "/port", "/log_format"}
    assert "canary" not in str(found)


def test_a_file_that_is_no_toml_is_told(tmp_path):
    (tmp_path / "dougong.toml").write_text("port = = 1", encoding="utf-8")

    assert "TOML" in refused()[""]


def test_an_unknown_member_of_the_file_is_told(tmp_path):
    (tmp_path / "dougong.toml").write_text("prot = 1", encoding="utf-8")

    assert refused() == {"/prot": "There is no setting prot"}


@pytest.mark.parametrize(
    "given, secure",
    [
        ({}, False),
        ({"public_url": "https://crm.example.com"}, True),
        ({"public_url": "http://crm.example.com"}, False),
        ({"public_url": "https://crm.example.com", "cookie_secure": False}, False),
        ({"cookie_secure": True}, True),
    ],
)
def test_the_cookie_is_secure_where_people_come_by_https(given, secure):
    assert load_settings(**given).secure_cookie is secure


def test_secrets_are_not_shown_CVE_2026_34411():
    settings = load_settings(
        database_url="postgresql://u:canary@h/x", admin_username="a", admin_password="canary", metrics_token="canary"
    )

    assert settings.shown_database_url == "postgresql://u:***@h/x"
    assert "canary" not in str(settings.model_dump(exclude={"database_url"}))


@pytest.mark.parametrize(
    "given, address",
    [
        ({}, "http://127.0.0.1:8000"),
        ({"host": "0.0.0.0", "port": 80}, "http://127.0.0.1:80"),
        ({"host": "fd00::1"}, "http://[fd00::1]:8000"),
        ({"public_url": "https://crm.example.com/"}, "https://crm.example.com"),
    ],
)
def test_the_address_for_people(given, address):
    assert load_settings(**given).address == address
