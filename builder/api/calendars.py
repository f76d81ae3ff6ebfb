"""The days of an app's calendars: holidays and make-up days, changed without a publish."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from builder.api.context import Author, Context, author_id, language_of, reply
from builder.compiled.calendars import KeptDay
from builder.kernel.canonical import parse_json
from builder.kernel.problems import Problem
from builder.kernel.text import Text, say
from builder.registry.calendar_days import (
    DayLine,
    list_calendars,
    list_days,
    read_days,
    read_days_csv,
    set_days,
)

JSON = Any
Year = Annotated[int, Query(ge=1, le=9999)]


def make(context: Context) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["calendar"])
    registry = context.registry
    Builder = Annotated[Author, Depends(context.authorize("builder"))]
    Body = Annotated[bytes, Depends(_raw_body)]

    @router.get("/apps/{app}/working-calendars")
    def calendars(app: str, request: Request, author: Builder) -> Response:
        """List the calendars of the published app; ``years_without_data`` warns: there only weekends are off."""
        language = language_of(context, request)
        lines = list_calendars(registry, app)
        return reply(
            [
                {
                    **line._asdict(),
                    "label": line.label.pick(language),
                    "years_without_data": list(line.years_without_data),
                    "warning": _warning(line.years_without_data).pick(language) if line.years_without_data else None,
                }
                for line in lines
            ]
        )

    @router.get("/apps/{app}/working-calendars/{calendar}/days")
    def days(app: str, calendar: str, author: Builder, year: Year) -> Response:
        """List the days of a year that are not as their weekday says."""
        return reply([_day(line) for line in list_days(registry, app, calendar, year)])

    @router.post("/apps/{app}/working-calendars/{calendar}/days")
    def add(app: str, calendar: str, request: Request, author: Builder, body: Body) -> Response:
        """Keep days, ``[{"date", "kind": "off|work", "name", "hours"}]`` or CSV with these columns; deadlines counted with them move."""
        given = _days(request, body, author_id(author))
        set_days(registry, app, calendar, given)
        return reply({"kept": len(given)})

    @router.put("/apps/{app}/working-calendars/{calendar}/days")
    def replace(app: str, calendar: str, request: Request, author: Builder, body: Body, year: Year) -> Response:
        """Keep exactly these days of a year."""
        given = _days(request, body, author_id(author))
        outside = [line.day.isoformat() for line in given if line.day.year != year]
        if outside:
            detail = say(f"日期不在 {year} 年:{outside[0]}", f"This day is not of the year {year}: {outside[0]}")
            raise Problem("request.malformed", detail)
        set_days(registry, app, calendar, given, replace_year=year)
        return reply({"kept": len(given)})

    return router


async def _raw_body(request: Request) -> bytes:
    return await request.body()


def _days(request: Request, body: bytes, source: str) -> list[KeptDay]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "text/csv":
        try:
            return read_days_csv(body.decode("utf-8-sig"), source)
        except UnicodeDecodeError:
            raise Problem("request.malformed", say("CSV 应是 UTF-8", "The CSV has to be UTF-8")) from None
    if kind != "application/json":
        detail = say("请求内容须声明为 application/json 或 text/csv", "Send the body as application/json or text/csv")
        raise Problem("request.media_type", detail)
    return read_days(parse_json(body), source)


def _day(line: DayLine) -> dict[str, JSON]:
    return {
        "date": line.day.isoformat(),
        "kind": "work" if line.worked else "off",
        "weekend": line.weekend,
        "hours": [f"{_clock(start)}-{_clock(end)}" for start, end in line.hours],
        "name": line.name,
        "source": line.source,
        "provisional": line.provisional,
    }


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}"


def _warning(years: tuple[int, ...]) -> Text:
    listed = ", ".join(str(year) for year in years)
    return say(
        f"没有 {listed} 年的节假日数据,暂按周末休息计算;请导入后,相关期限会自动重算",
        f"No holidays are known for {listed}: only weekends are off until you import them; deadlines then move by themselves",
    )
