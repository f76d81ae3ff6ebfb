"""What every directory is: options, secrets, and how it is read whole. One file a kind; see ``runtime/directories/__init__.py``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel, Field, ValidationError

from builder.kernel.limits import DIRECTORY_DEPARTMENTS, DIRECTORY_USERS
from builder.kernel.problems import Problem
from builder.kernel.text import Text, say
from runtime.channels.base import ChannelOptions, Refused, Roads, read_answer, send_http, shown
from runtime.identity.directory import ListedDepartment, ListedUser

JSON = Any
Said = TypeVar("Said", bound=BaseModel)
UsernameFrom = Literal["id", "phone", "email"]


class DirectoryOptions(ChannelOptions):
    """What all directories share."""

    username: UsernameFrom = Field(
        "id", description="What becomes the user name of who is new; who lacks it gets the id."
    )
    nightly: bool = Field(True, description="Whether it is brought in by itself, with upkeep.")
    most_leavers: int = Field(
        20, ge=0, le=100, description="Percent of its people that may be switched off at once without an admin's word."
    )


class Listed(NamedTuple):
    """All departments and people of a directory."""

    departments: tuple[ListedDepartment, ...]
    users: tuple[ListedUser, ...]


class NotNow(Exception):
    """The other side was not there or too busy; it may go better another time."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail.en)
        self.problem = problem


class Source(Protocol):
    """One kind of directory."""

    kind: ClassVar[str]
    title: ClassVar[Text]

    @property
    def Options(self) -> type[DirectoryOptions]:
        """The model of its options."""
        ...

    secret_names: ClassVar[tuple[str, ...]]
    needed: ClassVar[int]

    async def read(self, options: Any, secrets: Mapping[str, str], roads: Roads) -> Listed:
        """Read everything.

        Raises:
            Problem: ``directory.unreadable`` with what the other side said.
            NotNow.
        """
        ...


@dataclass(frozen=True)
class Vendor:
    """Asks the API of a vendor."""

    name: Text
    base: str
    busy: frozenset[int]
    """Error codes that mean: later."""
    roads: Roads

    async def ask(
        self, model: type[Said], method: str, path: str, query: Mapping[str, JSON], body: JSON = None
    ) -> Said:
        """Send one request and return its answer.

        Raises:
            Problem: ``directory.unreadable``; secrets, which stand in the query, are not in it.
            NotNow.
        """
        answer = await send_http(self.roads, method, f"{self.base.rstrip('/')}{path}?{urlencode(query)}", {}, body)
        if isinstance(answer, Refused):
            problem = self._unreadable(path, answer.reason)
            raise problem if answer.final else NotNow(problem)
        said = read_answer(answer.body)
        told = shown(answer.body)
        problem = self._unreadable(path, Text(told, told))
        code = said.get("errcode", 0) if isinstance(said, dict) else None
        if isinstance(code, int) and code in self.busy:
            raise NotNow(problem)
        if code != 0:
            raise problem
        try:
            return model.model_validate(said)
        except ValidationError:
            raise problem from None

    def _unreadable(self, path: str, reason: Text) -> Problem:
        return unreadable(
            Text(f"{self.name.zh} {path}:{reason.zh}", f"{self.name.en} {path}: {reason.en}"),
        )


def unreadable(reason: Text) -> Problem:
    """A directory could not be read; nothing was brought in."""
    return Problem(
        "directory.unreadable", Text(f"通讯录读取失败:{reason.zh}", f"The directory could not be read: {reason.en}")
    )


@dataclass
class Gathering:
    """Departments and people as they come in; who is in several departments comes several times."""

    departments: dict[str, ListedDepartment] = field(default_factory=dict)
    users: dict[str, ListedUser] = field(default_factory=dict)

    def add_department(self, department: ListedDepartment) -> bool:
        """Take a department up; tell whether it is new.

        Raises:
            Problem: ``directory.unreadable`` if there are more than we take.
        """
        if department.external_id in self.departments:
            return False
        self.departments[department.external_id] = department
        _bounded(len(self.departments), DIRECTORY_DEPARTMENTS)
        return True

    def add_user(self, user: ListedUser) -> None:
        """Take a person up, the first time they come.

        Raises:
            Problem: ``directory.unreadable`` if there are more than we take.
        """
        self.users.setdefault(user.external_id, user)
        _bounded(len(self.users), DIRECTORY_USERS)

    def lead(self, department: str, user: str) -> None:
        """Note who leads a department; the first one counts."""
        found = self.departments[department]
        if found.manager is None:
            self.departments[department] = replace(found, manager=user)

    def listed(self) -> Listed:
        """Return everything. Who was not shown to us (the app's reach ends there) is not named either."""
        departments = (
            replace(
                item, parent=self._shown(item.parent, self.departments), manager=self._shown(item.manager, self.users)
            )
            for item in self.departments.values()
        )
        users = (
            replace(
                item,
                department=self._shown(item.department, self.departments),
                manager=self._shown(item.manager, self.users),
            )
            for item in self.users.values()
        )
        return Listed(tuple(departments), tuple(users))

    @staticmethod
    def _shown(name: Any, among: Mapping[str, Any]) -> Any:
        return name if not isinstance(name, str) or name in among else None


def _bounded(count: int, most: int) -> None:
    if count > most:
        raise unreadable(say(f"超过 {most} 项", f"more than {most} of them"))


def username_of(source: UsernameFrom, external_id: str, *, phone: str | None, email: str | None) -> str:
    """Return the user name of who is new."""
    return {"id": None, "phone": phone, "email": email}[source] or external_id
