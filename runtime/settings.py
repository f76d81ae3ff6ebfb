"""Settings: command line over environment (``DOUGONG_…``) over ``dougong.toml`` over the defaults stated here.

Reads: the process environment and one TOML file. Never: the database. A wrong setting stops the start with a sentence
that names it; nothing is guessed.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from sqlalchemy.engine import make_url

from builder.calendars.cron import parse_cron
from builder.kernel.limits import (
    AUTOMATION_RUN_DAYS,
    BODY_BYTES,
    FILE_BYTES,
    FILE_BYTES_DEFAULT,
    REQUEST_SECONDS,
    SEARCH_INDEX_FROM,
)
from builder.kernel.problems import Problem, Violation
from builder.kernel.text import Language, Text, say

PREFIX = "DOUGONG_"
FILE_VARIABLE = "DOUGONG_SETTINGS"
FILE_NAME = "dougong.toml"


class Settings(BaseSettings):
    """All settings of one instance; immutable. Make one with ``load_settings`` to get problems instead of exceptions."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True, hide_input_in_errors=True)

    database_url: str = Field(
        "sqlite:///data/dougong.db",
        description="Where everything is kept: `sqlite:///file` or `postgresql://user@host:port/name`.",
    )
    host: str = Field("127.0.0.1", description="Network address to listen at; `0.0.0.0` for all.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen at; 0 takes a free one.")
    workers: int = Field(1, ge=1, le=64, description="Processes that serve; more than one needs PostgreSQL.")
    public_url: str | None = Field(
        None,
        description="Address at which people reach the service, such as `https://crm.example.com`; links are made of it.",
    )
    trusted_proxies: str = Field(
        "127.0.0.1", description="Addresses of reverse proxies whose `X-Forwarded-*` headers are believed, with commas."
    )
    admin_username: str | None = Field(None, description="User name of the first admin; made at the first start.")
    admin_password: SecretStr | None = Field(
        None,
        description="Password of the first admin. Without it the first start prints a link that is valid for 24 hours.",
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Origins of web pages elsewhere that may call the API, with commas; none by default."
    )
    body_bytes: int = Field(BODY_BYTES, ge=1024, description="Largest request body.")
    file_bytes: int = Field(
        FILE_BYTES_DEFAULT, ge=1024, le=FILE_BYTES, description="Largest file that may be uploaded."
    )
    files_folder: Path = Field(
        Path("data/files"),
        description="Folder of uploaded files; with S3 only of what is under way and of thumbnails.",
    )
    s3_endpoint: str | None = Field(
        None,
        description="Address of S3-compatible storage, such as `https://s3.example.com`; unset: files stay in the folder.",
    )
    s3_region: str = Field("us-east-1", description="S3: region that requests are signed for.")
    s3_bucket: str | None = Field(None, description="S3: bucket; it has to exist.")
    s3_prefix: str = Field("", description="S3: what all keys begin with.")
    s3_access_key: SecretStr | None = Field(None, description="S3: access key.")
    s3_secret_key: SecretStr | None = Field(None, description="S3: secret key.")
    request_seconds: float = Field(REQUEST_SECONDS, gt=0, description="Longest time until an answer has to begin.")
    session_hours: int = Field(168, ge=1, le=24 * 366, description="How long a login lasts.")
    password_length: int = Field(10, ge=8, le=64, description="Least number of characters of a new password.")
    password_kinds: int = Field(
        1,
        ge=1,
        le=4,
        description="Of how many kinds its characters have to be: lower case, upper case, digits, others.",
    )
    password_days: int | None = Field(
        None,
        ge=1,
        le=3660,
        description="Days after which a password has to be changed at the next login; unset: never.",
    )
    password_former: int = Field(
        0,
        ge=0,
        le=24,
        description="How many former passwords, besides the present one, a new one must not repeat; 0: none are kept.",
    )
    mail_connection: str | None = Field(
        None,
        description="Connection (kind `smtp`) for mail of the service itself, such as links for forgotten passwords; needs `public_url`.",
    )
    oidc_issuer: str | None = Field(
        None,
        description="Login provider (OpenID Connect): its issuer, such as `https://login.example.com`; needs `public_url`.",
    )
    oidc_client_id: str | None = Field(None, description="Login provider: our client id there.")
    oidc_client_secret: SecretStr | None = Field(
        None, description="Login provider: the client's secret; unset for a public client."
    )
    oidc_label: str = Field("OpenID", max_length=40, description="Login provider: what is written on the button.")
    oidc_link: Literal["email", "explicit"] = Field(
        "email",
        description="Who comes by it the first time: the user of the verified `email` address, or nobody until bound while logged in (`explicit`).",
    )
    oidc_create: bool = Field(False, description="Make a user of who comes by the provider and is nobody here yet.")
    oidc_role: Literal["member", "builder"] = Field("member", description="Role of users made so.")
    oidc_department: str | None = Field(None, description="Key of the department of users made so.")
    captcha_url: str | None = Field(
        None,
        description="Service that tells people from robots on public forms: where answers are verified (siteverify).",
    )
    captcha_secret: SecretStr | None = Field(None, description="Secret for that service.")
    captcha_site_key: str | None = Field(None, description="Key with which pages set that service's script up.")
    audit_days: int | None = Field(
        None, ge=180, le=36_600, description="Days for which security events are kept; unset: for ever."
    )
    cookie_secure: bool | None = Field(
        None, description="Send the session cookie over https only; unset: when `public_url` begins with https."
    )
    sqlite_durable: bool = Field(
        True,
        description="SQLite: an acknowledged write survives power loss (true) or only a crash of the process (false).",
    )
    postgres_connections: int = Field(8, ge=1, le=1000, description="PostgreSQL: connections for records, per process.")
    metrics_token: SecretStr | None = Field(
        None, description="Bearer token for `/metrics` from other machines; this machine and admins need none."
    )
    background: bool = Field(
        True,
        description="Deliver messages, fire timers and run jobs in the server's process; off where `dougong worker` does it (PostgreSQL).",
    )
    search_index_from: int = Field(
        SEARCH_INDEX_FROM,
        ge=0,
        description="From how many records on an entity gets a search index; it is built while people work.",
    )
    upkeep_cron: str = Field(
        "30 18 * * *",
        description="When old rows and unused files are cleared away: minute, hour, day, month, weekday, in UTC; empty: never.",
    )
    keep_outbox_days: int = Field(30, ge=1, description="How long delivered messages are kept; dead letters stay.")
    keep_runs_days: int = Field(
        AUTOMATION_RUN_DAYS,
        ge=1,
        description="How long runs of automations, received messages and fired reminders are kept.",
    )
    keep_trash_days: int = Field(
        30, ge=1, le=3650, description="How long deleted records can be restored and merges undone."
    )
    keep_inbox_days: int = Field(365, ge=1, description="How long messages stay in people's inboxes.")
    keep_jobs_days: int = Field(90, ge=1, description="How long jobs that have ended are kept.")
    secret_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (),
        description="Keys that seal stored passwords of connections, with commas: the first seals, all open. Unset: the file below.",
    )
    secret_file: Path = Field(
        Path("data/secret.key"),
        description="File with that key; made at the first use. Keep a copy apart from the database.",
    )
    outbound_allow: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Where requests may go although it is not public: names, addresses, networks, each also with `:port`, with commas.",
    )
    log_format: Literal["json", "console"] = Field(
        "json", description="`json`: one object a line; `console`: text for people."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severity that is logged."
    )
    language: Language = Field("zh", description="Language of messages when a request asks for none: `zh` or `en`.")
    demo: str | None = Field(None, description="Key of a bundled template that is installed at the first start.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Command line, environment, TOML file, in this order."""
        file = Path(os.environ.get(FILE_VARIABLE) or FILE_NAME)
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, file)

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, url: str) -> str:
        scheme = url.split(":", 1)[0]
        if scheme not in ("sqlite", "postgresql", "postgres") or "://" not in url:
            raise ValueError("use sqlite:///file or postgresql://user@host:port/name")
        if scheme == "sqlite" and len(url.removeprefix("sqlite:///")) in (0, len(url)):
            raise ValueError("use sqlite:///file; an absolute path has four slashes")
        return url

    @field_validator("upkeep_cron")
    @classmethod
    def _cron_line(cls, text: str) -> str:
        try:
            if text:
                parse_cron(text, "UTC")
        except ValueError:
            raise ValueError("write a cron line such as 30 18 * * *, or nothing") from None
        return text

    @field_validator("public_url")
    @classmethod
    def _plain_address(cls, url: str | None) -> str | None:
        return None if url is None else _origin(url)

    @field_validator("s3_endpoint")
    @classmethod
    def _plain_endpoint(cls, url: str | None) -> str | None:
        return None if url is None else _origin(url)

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _listed(cls, origins: object) -> object:
        if not isinstance(origins, str):
            return origins
        return tuple(origin.strip() for origin in origins.split(",") if origin.strip())

    @field_validator("outbound_allow", "secret_keys", mode="before")
    @classmethod
    def _listed_words(cls, words: object) -> object:
        if not isinstance(words, str):
            return words
        return tuple(word.strip() for word in words.split(",") if word.strip())

    @field_validator("cors_origins")
    @classmethod
    def _plain_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_origin(origin) for origin in origins)

    @model_validator(mode="after")
    def _consistent(self) -> Settings:
        if (self.admin_username is None) != (self.admin_password is None):
            raise ValueError("admin_username and admin_password are given together or not at all")
        parts = (self.s3_endpoint, self.s3_bucket, self.s3_access_key, self.s3_secret_key)
        if any(parts) and not all(parts):
            raise ValueError("the address, bucket and both keys of s3 are given together or not at all")
        oidc = (self.oidc_issuer, self.oidc_client_id)
        if any(oidc) and not all((*oidc, self.public_url)):
            raise ValueError("oidc_issuer, oidc_client_id and public_url are given together or not at all")
        if self.workers > 1 and self.on_sqlite:
            raise ValueError("workers above 1 need PostgreSQL: an SQLite file is served by one process")
        return self

    @property
    def on_sqlite(self) -> bool:
        """Whether the database is an SQLite file."""
        return self.database_url.startswith("sqlite:")

    @property
    def https(self) -> bool:
        """Whether people reach the service over https."""
        return (self.public_url or "").startswith("https://")

    @property
    def secure_cookie(self) -> bool:
        """Whether the session cookie is for https only."""
        return self.https if self.cookie_secure is None else self.cookie_secure

    @property
    def address(self) -> str:
        """The address to print for people: the public one, or where we listen."""
        if self.public_url:
            return self.public_url
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host  # noqa: S104 - compared, not listened at
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def shown_database_url(self) -> str:
        """The database's address without its password, for messages."""
        return make_url(self.database_url).render_as_string(hide_password=True)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/") or parts.query:
        raise ValueError("write it as https://host or http://host:port, without a path")
    return f"{parts.scheme}://{parts.netloc.lower()}"


_CHINESE: dict[str, str] = {
    "use sqlite:///file or postgresql://user@host:port/name": "请写 sqlite:///文件 或 postgresql://用户@主机:端口/库名",
    "use sqlite:///file; an absolute path has four slashes": "请写 sqlite:///文件;绝对路径有四个斜杠",
    "write a cron line such as 30 18 * * *, or nothing": "请写 cron 表达式,如 30 18 * * *,或留空",
    "admin_username and admin_password are given together or not at all": "admin_username 与 admin_password 须同时给出,或都不给",
    "oidc_issuer, oidc_client_id and public_url are given together or not at all": "oidc_issuer、oidc_client_id 与 public_url 须同时给出,或都不给",
    "the address, bucket and both keys of s3 are given together or not at all": "S3 的地址、桶与两个密钥须同时给出,或都不给",
    "workers above 1 need PostgreSQL: an SQLite file is served by one process": "workers 大于 1 需要 PostgreSQL:SQLite 文件只能由一个进程服务",
    "write it as https://host or http://host:port, without a path": "请写成 https://主机 或 http://主机:端口,不带路径",
}


def load_settings(**given: Any) -> Settings:
    """Read the settings; ``given`` (from the command line, None = not given) win over everything else.

    Raises:
        Problem: ``settings.invalid`` with one violation per wrong setting; values are never repeated, they may be secrets.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        violations = [_violation(item) for item in error.errors(include_url=False, include_input=False)]
    except tomllib.TOMLDecodeError as error:
        message = say(f"设置文件不是有效的 TOML:{error}", f"The settings file is not valid TOML: {error}")
        violations = [Violation("toml", "", message)]
    except Exception as error:  # noqa: BLE001 - pydantic-settings wraps what it cannot read in its own errors
        violations = [
            Violation("unreadable", "", say(f"设置无法读取:{error}", f"The settings cannot be read: {error}"))
        ]
    raise Problem("settings.invalid", say("设置有误", "The settings are not valid"), violations=violations)


def _violation(item: Any) -> Violation:
    name = ".".join(str(part) for part in item["loc"])
    english = str(item["msg"]).removeprefix("Value error, ")
    if item["type"] == "extra_forbidden":
        text = say(f"没有设置项 {name}", f"There is no setting {name}")
    else:
        label = f"{PREFIX}{name.upper()}" if name else ""
        text = Text(*(f"{label}: {words}" if label else words for words in (_CHINESE.get(english, english), english)))
    return Violation(item["type"], "/" + name.replace(".", "/") if name else "", text)
