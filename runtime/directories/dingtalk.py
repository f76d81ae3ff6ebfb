"""DingTalk's contacts, of an internal app with the rights to read departments and members.

Source: open.dingtalk.com, "Query the department list", "Query the complete information of a department user" (topapi v2).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, Field, field_validator

from builder.kernel.text import Text, say
from runtime.channels.base import Roads, safe_url
from runtime.directories.base import DirectoryOptions, Gathering, Listed, Vendor, username_of
from runtime.identity.directory import UNSAID, ListedDepartment, ListedUser

_PAGE = 100
_BUSY = frozenset({-1, 88, 90002, 90018})


class _Token(BaseModel):
    access_token: str


class _Department(BaseModel):
    dept_id: int
    name: str
    parent_id: int | None = None


class _OneDepartment(BaseModel):
    result: _Department


class _Departments(BaseModel):
    result: list[_Department]


class _Person(BaseModel):
    userid: str
    name: str
    mobile: str | None = None
    email: str | None = None
    org_email: str | None = None
    title: str | None = None
    dept_id_list: list[int] = Field(default_factory=list)
    leader: bool = False


class _Page(BaseModel):
    list: list[_Person]
    has_more: bool = False
    next_cursor: int | None = None


class _Persons(BaseModel):
    result: _Page


class DingTalkDirectory:
    """DingTalk."""

    kind: ClassVar[str] = "dingtalk_directory"
    title: ClassVar[Text] = say("钉钉通讯录", "DingTalk directory")
    secret_names: ClassVar[tuple[str, ...]] = ("app_secret",)
    needed: ClassVar[int] = 1

    class Options(DirectoryOptions):
        """Which app reads, and from which department down."""

        app_key: str = Field(min_length=1, max_length=100, description="Client ID (AppKey) of the internal app.")
        root: int = Field(1, ge=1, description="The department to begin at; 1 is the whole company.")
        url: str = Field("https://oapi.dingtalk.com", description="Where the API is.")

        _safe = field_validator("url")(safe_url)

    async def read(self, options: Any, secrets: Mapping[str, str], roads: Roads) -> Listed:
        """Read departments level by level, and the members of each."""
        chosen: DingTalkDirectory.Options = options
        vendor = Vendor(self.title, chosen.url, _BUSY, roads)
        asked = {"appkey": chosen.app_key, "appsecret": secrets["app_secret"]}
        query = {"access_token": (await vendor.ask(_Token, "GET", "/gettoken", asked)).access_token}
        found = Gathering()
        root = await vendor.ask(_OneDepartment, "POST", "/topapi/v2/department/get", query, {"dept_id": chosen.root})
        waiting = deque([root.result])
        while waiting:
            department = waiting.popleft()
            parent = None if department.parent_id is None else str(department.parent_id)
            if not found.add_department(ListedDepartment(str(department.dept_id), department.name, parent)):
                continue
            below = {"dept_id": department.dept_id}
            waiting.extend(
                (await vendor.ask(_Departments, "POST", "/topapi/v2/department/listsub", query, below)).result
            )
            await self._read_members(vendor, query, department.dept_id, chosen, found)
        return found.listed()

    async def _read_members(
        self, vendor: Vendor, query: Mapping[str, str], department: int, options: Options, found: Gathering
    ) -> None:
        cursor: int | None = 0
        while cursor is not None:
            asked = {"dept_id": department, "cursor": cursor, "size": _PAGE}
            page = (await vendor.ask(_Persons, "POST", "/topapi/v2/user/list", query, asked)).result
            for person in page.list:
                found.add_user(_listed(person, department, options))
                if person.leader:
                    found.lead(str(department), person.userid)
            cursor = page.next_cursor if page.has_more and page.next_cursor != cursor else None


def _listed(person: _Person, department: int, options: DingTalkDirectory.Options) -> ListedUser:
    email = person.org_email or person.email or None
    first = person.dept_id_list[0] if person.dept_id_list else department
    return ListedUser(
        external_id=person.userid,
        username=username_of(options.username, person.userid, phone=person.mobile, email=email),
        name=person.name,
        email=email or UNSAID,
        phone=person.mobile or UNSAID,
        department=str(first),
        position=person.title or UNSAID,
    )
