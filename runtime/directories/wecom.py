"""WeCom's contacts, of an app that may see them; what it may not see (phones, mail) stays as it is here.

Source: developer.work.weixin.qq.com, documents 90208 (departments) and 90201 (members of a department).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, Field, field_validator

from builder.kernel.text import Text, say
from runtime.channels.base import Roads, safe_url
from runtime.directories.base import DirectoryOptions, Gathering, Listed, Vendor, username_of
from runtime.identity.directory import UNSAID, ListedDepartment, ListedUser

_BUSY = frozenset({-1, 45009, 45033})
_DISABLED, _LEFT = 2, 5


class _Token(BaseModel):
    access_token: str


class _Department(BaseModel):
    id: int
    name: str
    parentid: int | None = None
    department_leader: list[str] = Field(default_factory=list)


class _Departments(BaseModel):
    department: list[_Department]


class _Person(BaseModel):
    userid: str
    name: str
    department: list[int] = Field(default_factory=list)
    main_department: int | None = None
    direct_leader: list[str] = Field(default_factory=list)
    is_leader_in_dept: list[int] = Field(default_factory=list)
    position: str | None = None
    mobile: str | None = None
    email: str | None = None
    biz_mail: str | None = None
    status: int = 1


class _Persons(BaseModel):
    userlist: list[_Person]


class WeComDirectory:
    """WeCom."""

    kind: ClassVar[str] = "wecom_directory"
    title: ClassVar[Text] = say("企业微信通讯录", "WeCom directory")
    secret_names: ClassVar[tuple[str, ...]] = ("corp_secret",)
    needed: ClassVar[int] = 1

    class Options(DirectoryOptions):
        """Which company."""

        corp_id: str = Field(min_length=1, max_length=100, description="The company's id (corpid).")
        url: str = Field("https://qyapi.weixin.qq.com", description="Where the API is.")

        _safe = field_validator("url")(safe_url)

    async def read(self, options: Any, secrets: Mapping[str, str], roads: Roads) -> Listed:
        """Read all departments, and the members of each."""
        chosen: WeComDirectory.Options = options
        vendor = Vendor(self.title, chosen.url, _BUSY, roads)
        asked = {"corpid": chosen.corp_id, "corpsecret": secrets["corp_secret"]}
        query = {"access_token": (await vendor.ask(_Token, "GET", "/cgi-bin/gettoken", asked)).access_token}
        found = Gathering()
        for department in (await vendor.ask(_Departments, "GET", "/cgi-bin/department/list", query)).department:
            parent = None if department.parentid is None else str(department.parentid)
            manager = next(iter(department.department_leader), None)
            found.add_department(ListedDepartment(str(department.id), department.name, parent, manager))
        for external_id in list(found.departments):
            members = {**query, "department_id": external_id}
            for person in (await vendor.ask(_Persons, "GET", "/cgi-bin/user/list", members)).userlist:
                found.add_user(_listed(person, external_id, chosen))
                if _leads(person, external_id):
                    found.lead(external_id, person.userid)
        return found.listed()


def _leads(person: _Person, department: str) -> bool:
    """``is_leader_in_dept`` stands in the order of ``department``."""
    return any(
        str(one) == department and leads
        for one, leads in zip(person.department, person.is_leader_in_dept, strict=False)
    )


def _listed(person: _Person, department: str, options: WeComDirectory.Options) -> ListedUser:
    email = person.biz_mail or person.email or None
    main = person.main_department if person.main_department is not None else next(iter(person.department), department)
    return ListedUser(
        external_id=person.userid,
        username=username_of(options.username, person.userid, phone=person.mobile, email=email),
        name=person.name,
        email=email or UNSAID,
        phone=person.mobile or UNSAID,
        department=str(main),
        manager=next(iter(person.direct_leader), UNSAID),
        position=person.position or UNSAID,
        active=person.status not in (_DISABLED, _LEFT),
    )
