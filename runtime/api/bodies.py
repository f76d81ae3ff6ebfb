"""What the identity routes read and answer: strict models, unknown members refused."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer, field_validator

from builder.kernel.clock import instant_text
from builder.kernel.limits import AREA_LENGTH, AREAS_PER_PERSON
from runtime.identity.actors import Actor
from runtime.identity.departments import Department
from runtime.identity.sessions import Session
from runtime.identity.tokens import Token
from runtime.identity.users import User

T = TypeVar("T")
Moment = Annotated[datetime, PlainSerializer(instant_text, return_type=str)]
Password = Annotated[str, Field(min_length=1, max_length=1_000, json_schema_extra={"format": "password"})]
Name = Annotated[str, Field(min_length=1, max_length=200)]
RoleName = Literal["admin", "builder", "member"]
KindName = Literal["person", "service", "external"]
Area = Annotated[str, Field(min_length=1, max_length=AREA_LENGTH)]
Areas = Annotated[list[Area], Field(max_length=AREAS_PER_PERSON)]


class Body(BaseModel):
    """A request body: exact types, nothing unknown; its values never appear in an error."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class Answer(BaseModel, Generic[T]):
    """``{"data": …}``."""

    data: T


class LoginBody(Body):
    """User name and password. ``mode`` cookie: a browser's session; bearer: the secret is in the answer, no cookie is set."""

    username: Name
    password: Password
    code: Annotated[str, Field(max_length=40)] | None = None
    new_password: Password | None = None
    mode: Literal["cookie", "bearer"] = "cookie"


class ResetBody(Body):
    """Whose password was forgotten: the address that the account has."""

    email: Annotated[str, Field(min_length=3, max_length=254)]


class PasswordRulesAnswer(BaseModel):
    """What a new password has to be."""

    least_length: int
    kinds: int
    days: int | None
    former: int


class ProviderAnswer(BaseModel):
    """A login provider: what to write on the button, and where it leads."""

    label: str
    url: str


class WaysAnswer(BaseModel):
    """How one gets in here: for login pages."""

    password: PasswordRulesAnswer
    reset_by_mail: bool
    provider: ProviderAnswer | None


class SetupBody(Body):
    """A one-time link's secret with the new password; the first admin chooses a user name too."""

    link: Name
    password: Password
    username: Name | None = None
    name: Name | None = None
    code: Annotated[str, Field(max_length=40)] | None = None
    mode: Literal["cookie", "bearer"] = "cookie"


class PasswordBody(Body):
    """A change of one's own password."""

    current: Password
    password: Password


class CodeBody(Body):
    """A code of a second factor."""

    code: Annotated[str, Field(min_length=1, max_length=40)]


class ProofBody(Body):
    """One's password, asked for again."""

    password: Password


class FactorAnswer(BaseModel):
    """A second factor that is being set up: the secret, the address for a QR code, and that code as SVG."""

    secret: str
    url: str
    qr: str


class RecoveryAnswer(BaseModel):
    """Codes for the day the phone is lost; each works once, and they are shown this once."""

    recovery_codes: list[str]


class TokenBody(Body):
    """A token to make: scopes are records:read, records:write, builder, admin, and app:<key> to narrow it to apps."""

    name: Name
    scopes: list[Annotated[str, Field(max_length=60)]] = Field(max_length=50)
    expires_at: Annotated[AwareDatetime, Field(strict=False)] | None = None


class UserBody(Body):
    """A user to make; without a password they get a one-time link."""

    username: Name
    name: Name | None = None
    email: Annotated[str, Field(max_length=254)] | None = None
    role: RoleName = "member"
    department_id: Name | None = None
    manager_id: Name | None = None
    kind: KindName = "person"
    position: Name | None = None
    phone: Annotated[str, Field(max_length=40)] | None = None
    areas: Areas = Field(default_factory=list)
    password: Password | None = None


class UserChange(Body):
    """What changes; members that are not there stay as they are (so none has a default that a reader could take for one)."""

    name: Name = Field(default_factory=str)
    email: Annotated[str, Field(max_length=254)] | None = Field(default_factory=lambda: None)
    role: RoleName = Field(default_factory=lambda: "member")
    department_id: Name | None = Field(default_factory=lambda: None)
    manager_id: Name | None = Field(default_factory=lambda: None)
    active: bool = Field(default_factory=bool)
    position: Name | None = Field(default_factory=lambda: None)
    phone: Annotated[str, Field(max_length=40)] | None = Field(default_factory=lambda: None)
    areas: Areas = Field(default_factory=list)


class DepartmentBody(Body):
    """A department to make."""

    key: Name
    name: Name
    parent_id: Name | None = None
    manager_id: Name | None = None


class DepartmentChange(Body):
    """What changes of a department; members that are not there stay as they are."""

    name: Name = Field(default_factory=str)
    parent_id: Name | None = Field(default_factory=lambda: None)
    manager_id: Name | None = Field(default_factory=lambda: None)


class ActorAnswer(BaseModel):
    """Who is calling. ``scopes`` null = everything the role allows."""

    id: str | None
    username: str
    name: str
    role: str
    scopes: list[str] | None
    department_id: str | None
    kind: str
    position: str | None
    areas: list[str]

    @classmethod
    def of(cls, actor: Actor) -> ActorAnswer:
        """Show an actor."""
        return cls(
            id=actor.user_id,
            username=actor.username,
            name=actor.name,
            role=actor.role,
            scopes=None if actor.scopes is None else sorted(actor.scopes),
            department_id=actor.department_id,
            kind=actor.kind,
            position=actor.position,
            areas=list(actor.areas),
        )


class PersonAnswer(BaseModel):
    """What colleagues know of each other."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    username: str
    name: str
    department_id: str | None
    position: str | None
    active: bool

    @classmethod
    def of(cls, user: User) -> PersonAnswer:
        """Show a user to colleagues."""
        return cls.model_validate(user)


class UserAnswer(BaseModel):
    """One user."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    username: str
    name: str
    email: str | None
    role: str
    department_id: str | None
    manager_id: str | None
    active: bool
    has_password: bool
    created_at: Moment
    revision: int
    kind: str
    position: str | None
    phone: str | None
    areas: list[str]
    source: str | None
    external_id: str | None

    @classmethod
    def of(cls, user: User) -> UserAnswer:
        """Show a user."""
        return cls.model_validate(user)

    @field_validator("areas", mode="before")
    @classmethod
    def _listed(cls, areas: tuple[str, ...]) -> list[str]:
        return list(areas)


class SessionAnswer(BaseModel):
    """One open session: where it came from and with what, as that named itself."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    created_at: Moment
    expires_at: Moment
    address: str | None
    client: str | None
    is_current: bool

    @classmethod
    def of(cls, session: Session) -> SessionAnswer:
        """Show a session."""
        return cls.model_validate(session)


class LoginAnswer(BaseModel):
    """A session: ``secret`` only in mode bearer."""

    user: UserAnswer
    expires_at: Moment
    secret: str | None = None


class LinkAnswer(BaseModel):
    """A one-time link; a path if no public_url is configured."""

    link: str
    expires_at: Moment


class NewUserAnswer(BaseModel):
    """A user just made, with the link to hand over if they have no password yet."""

    user: UserAnswer
    link: LinkAnswer | None = None


class TokenAnswer(BaseModel):
    """One token; ``secret`` only right after it was made."""

    id: str
    name: str
    scopes: list[str]
    created_at: Moment
    expires_at: Moment | None
    secret: str | None = None

    @classmethod
    def of(cls, token: Token, secret: str | None = None) -> TokenAnswer:
        """Show a token."""
        return cls(
            id=token.id,
            name=token.name,
            scopes=list(token.scopes),
            created_at=token.created_at,
            expires_at=token.expires_at,
            secret=secret,
        )


class DepartmentAnswer(BaseModel):
    """One department."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    key: str
    name: str
    parent_id: str | None
    manager_id: str | None

    @classmethod
    def of(cls, department: Department) -> DepartmentAnswer:
        """Show a department."""
        return cls.model_validate(department)
