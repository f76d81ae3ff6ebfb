"""The command ``dougong`` in this process: what it prints and how it ends. The server itself: tests/process."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest

from builder.store import sole
from builder.store.sole import sole_process
from runtime import cli
from tests.support.service import PASSWORD


@pytest.fixture(autouse=True)
def english(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOUGONG_LANGUAGE", "en")


@pytest.fixture
def run(capsys):
    """Run a command; returns (exit code, standard output, standard error)."""

    def call(*arguments: str) -> tuple[Any, str, str]:
        with pytest.raises(SystemExit) as end:
            cli.main(arguments)
        written = capsys.readouterr()
        assert "Traceback" not in written.err
        return end.value.code, written.out, written.err

    return call


def test_migrate_brings_an_empty_database_to_todays_form_once(run, database_url):
    code, printed, _ = run("migrate", "--database-url", database_url)
    assert code == 0
    newest = re.fullmatch(r"Migrated: - -> (\d{4}\w*)\n", printed)
    assert newest
    again = run("migrate", "--database-url", database_url)
    assert again[:2] == (0, f"The database has today's form already ({newest[1]}).\n")


def test_other_commands_ask_for_it(run, database_url):
    code, _, error = run("user", "list", "--database-url", database_url)

    assert (code, error) == (1, "Run dougong migrate first: the database has another form\n")


def test_a_user_gets_a_link_or_a_password(run, migrated_database_url, monkeypatch):
    at = ("--database-url", migrated_database_url)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(PASSWORD.encode() + b"\n")))

    code, invited, _ = run("user", "add", "Bob", "--name", "Bob B.", *at)
    assert code == 0
    assert re.search(r"http://127\.0\.0\.1:8000/setup#dgl_\S{43}\n", invited)
    code, made, _ = run("user", "add", "chief", "--role", "admin", "--password-stdin", *at)

    assert (code, made) == (0, "Made the user chief (admin)\n")
    listed = run("user", "list", *at)[1]
    assert listed == "bob\tmember\tno password\tBob B.\nchief\tadmin\tactive\tchief\n"
    assert run("user", "add", "CHIEF", *at)[::2] == (1, "This user name is taken\n")
    code, _, error = run("user", "add", "x y", "--role", "king", *at)
    assert (code, error.count("  - ")) == (1, 2)


def test_a_token_is_printed_alone_on_standard_output(run, migrated_database_url):
    at = ("--database-url", migrated_database_url)
    run("user", "add", "bob", *at)

    code, secret, told = run(
        "token", "add", "bob", "--scope", "records:write", "--scope", "app:lead", "--days", "3", *at
    )

    assert code == 0
    assert re.fullmatch(r"dgt_\S{43}\n", secret)
    assert told == "Token (app:lead, records:write), shown this once:\n"
    identifier, scopes, name = run("token", "list", "bob", *at)[1].strip().split("\t")
    assert (scopes, name) == ("app:lead,records:write", "cli")
    assert run("token", "revoke", identifier, *at)[0] == 0
    assert run("token", "list", "bob", *at)[1] == ""
    assert run("token", "add", "nobody", *at)[::2] == (1, "There is no user nobody\n")
    code, _, error = run("token", "add", "bob", "--scope", "adm", *at)
    assert (code, 'did you mean "admin"?' in error) == (1, True)


def test_doctor_says_what_is_wrong(run, database_url, monkeypatch):
    at = ("--database-url", database_url)
    code, printed, _ = run("doctor", *at)
    assert code == 1
    assert re.search(r"is empty and should be \d{4}\w*; run dougong migrate", printed)
    run("migrate", *at)
    monkeypatch.setenv("DOUGONG_PROT", "1")
    monkeypatch.setenv("DOUGONG_HOST", "0.0.0.0")

    code, printed, _ = run("doctor", *at)

    assert code == 1
    assert 'There is no setting DOUGONG_PROT; did you mean "DOUGONG_PORT"?' in printed
    assert "without DOUGONG_PUBLIC_URL" in printed
    assert "There is no admin who can log in" in printed


def test_doctor_is_content(run, migrated_database_url, monkeypatch):
    at = ("--database-url", migrated_database_url)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(PASSWORD.encode() + b"\n")))
    run("user", "add", "chief", "--role", "admin", "--password-stdin", *at)

    code, printed, _ = run("doctor", *at)

    assert code == 0
    assert "!!" not in printed


@pytest.mark.parametrize(
    "arguments, code, words",
    [
        (["serve", "--workers", "2"], 2, "workers above 1 need PostgreSQL"),
        (["serve", "--port", "many"], 2, "--port"),
        (["serve", "--database-url", "mysql://x/y"], 2, "DOUGONG_DATABASE_URL: use sqlite:///file"),
        (["doctor", "--database-url", "postgresql://nobody:canary@127.0.0.1:1/x"], 3, "cannot be reached: connection"),
        (["migrate", "--database-url", "sqlite:///."], 3, "cannot be reached"),
        (["user", "list", "--database-url", "postgresql://nobody:canary@127.0.0.1:1/x"], 3, "cannot be reached"),
        (["nothing"], 2, "No such command"),
        (["user", "add"], 2, "Missing argument"),
    ],
)
def test_what_goes_wrong_is_a_sentence_and_an_exit_code(run, arguments, code, words):
    ended, printed, error = run(*arguments)

    assert ended == code
    assert words in error
    assert "canary" not in printed + error


@pytest.mark.parametrize(
    "environment, words",
    [
        ({"DOUGONG_LANGUAGE": "zh"}, "提供服务"),
        ({"DOUGONG_LANGUAGE": "", "LANG": "zh_CN.UTF-8"}, "提供服务"),
        ({"DOUGONG_LANGUAGE": "", "LC_ALL": "en_GB.UTF-8", "LANG": "zh_CN.UTF-8"}, "Serve"),
        ({"DOUGONG_LANGUAGE": "", "LC_ALL": "C.UTF-8", "LANG": "C", "LC_MESSAGES": ""}, "提供服务"),
    ],
)
def test_help_is_in_the_terminals_language(run, monkeypatch, environment, words):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert words in run("--help")[1]


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["serve", "--demo"], ["serve", "--demo=lead"]),
        (["serve", "--demo", "--port", "1"], ["serve", "--demo=lead", "--port", "1"]),
        (["serve", "--demo", "receivables"], ["serve", "--demo", "receivables"]),
        (["serve"], ["serve"]),
    ],
)
def test_demo_may_stand_alone(arguments, words):
    assert cli._with_demo_key(arguments) == words


@pytest.mark.parametrize("dialect", ["sqlite"])
def test_a_file_moves_to_postgresql_once_nobody_serves_it(run, migrated_database_url, postgres_databases, monkeypatch):
    at = ("--database-url", migrated_database_url)
    empty = postgres_databases.create()
    monkeypatch.setattr(sole, "PATIENCE_SECONDS", 0)
    run("user", "add", "chief", "--role", "admin", *at)
    with sole_process(migrated_database_url.removeprefix("sqlite:///")) as alone:
        assert alone
        code, _, error = run("move", "--to", empty, *at)
    assert (code, "stop it first" in error) == (1, True)

    code, printed, _ = run("move", "--to", empty, *at)

    assert code == 0
    assert re.match(r"Moved to PostgreSQL: \d+ tables, \d+ rows\.\nAll is as it should be\.", printed)
    assert "chief" in run("user", "list", "--database-url", empty)[1]
    assert run("move", "--to", empty, *at)[0] == 1
    postgres_databases.drop(empty)


@pytest.mark.parametrize("dialect", ["sqlite"])
def test_a_second_server_or_a_worker_is_refused_on_a_file(run, migrated_database_url, monkeypatch):
    at = ("--database-url", migrated_database_url)
    monkeypatch.setattr(sole, "PATIENCE_SECONDS", 0)
    with sole_process(migrated_database_url.removeprefix("sqlite:///")):
        code, _, error = run("serve", "--port", "0", *at)
    assert (code, "Another process serves this SQLite file" in error) == (1, True)
    code, _, error = run("worker", *at)
    assert (code, "Use PostgreSQL for workers" in error) == (1, True)


def test_a_first_server_makes_the_folder_of_its_file(tmp_path):
    with sole_process(str(tmp_path / "data" / "dougong.db")) as alone:
        assert alone
