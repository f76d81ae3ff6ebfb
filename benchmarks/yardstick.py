"""The yardstick: the benchmark's two entities as a good developer writes them by hand with FastAPI, SQLAlchemy's async ORM and Pydantic.

Sessions per request, indexes for the lists, response models, a bearer token looked up in the database with every request (so
that a revoked one is refused at once, as by ours), one event row per write, one commit per request.

``YARDSTICK_DATABASE`` names the database (``sqlite+aiosqlite:///file`` or ``postgresql+asyncpg://…``); ``YARDSTICK_REMEMBER`` is
for how many seconds a token is believed without asking again (0: never).
"""

from __future__ import annotations

import hashlib
import os
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import Depends, FastAPI, HTTPException, Query, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, joinedload, mapped_column, relationship

Region = Literal["east", "south", "north", "central", "southwest"]
Level = Literal["A", "B", "C"]
Status = Literal["open", "paid", "overdue", "waived"]
Money = Annotated[Decimal, Field(ge=0, max_digits=15, decimal_places=2)]

BATCH = 10_000


# -- tables ---------------------------------------------------------------------------------------------------------------


class Base(DeclarativeBase):
    """All tables."""

    type_annotation_map = {datetime: sa.DateTime(timezone=True), Decimal: sa.Numeric(15, 2)}  # noqa: RUF012 - SQLAlchemy's form


class Record:
    """What both entities have."""

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    revision: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    created_by: Mapped[uuid.UUID | None]
    updated_at: Mapped[datetime]
    updated_by: Mapped[uuid.UUID | None]


class Customer(Record, Base):
    """A customer."""

    __tablename__ = "customer"
    __table_args__ = (sa.Index("ix_customer_list", "region", "level", "signed_on"),)

    name: Mapped[str] = mapped_column(sa.String(100))
    region: Mapped[str] = mapped_column(sa.String(20))
    level: Mapped[str] = mapped_column(sa.String(20))
    phone: Mapped[str | None] = mapped_column(sa.String(20))
    credit: Mapped[Decimal | None]
    signed_on: Mapped[date]
    note: Mapped[str | None] = mapped_column(sa.String(300))


class Payment(Record, Base):
    """A payment of a customer."""

    __tablename__ = "payment"
    __table_args__ = (sa.Index("ix_payment_status", "status", "due_on"),)

    number: Mapped[str] = mapped_column(sa.String(40))
    customer_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("customer.id"), index=True)
    customer: Mapped[Customer] = relationship(lazy="raise")
    due_on: Mapped[date]
    status: Mapped[str] = mapped_column(sa.String(20))
    amount: Mapped[Decimal]
    paid_on: Mapped[date | None]
    note: Mapped[str | None] = mapped_column(sa.String(300))


class Event(Base):
    """One write."""

    __tablename__ = "event"

    id: Mapped[int] = mapped_column(sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True)
    entity: Mapped[str] = mapped_column(sa.String(40))
    record_id: Mapped[uuid.UUID] = mapped_column(index=True)
    kind: Mapped[str] = mapped_column(sa.String(20))
    at: Mapped[datetime]
    actor: Mapped[uuid.UUID]
    revision: Mapped[int]
    changes: Mapped[dict[str, Any]] = mapped_column(sa.JSON)


class Token(Base):
    """An API token of a user."""

    __tablename__ = "token"

    secret_hash: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    user_id: Mapped[uuid.UUID]


# -- models ---------------------------------------------------------------------------------------------------------------


class Out(BaseModel):
    """A record as it is shown."""

    model_config = ConfigDict(from_attributes=True)

    id: uuid.UUID
    revision: int
    created_at: datetime
    created_by: uuid.UUID | None
    updated_at: datetime
    updated_by: uuid.UUID | None


class CustomerOut(Out):
    """A customer."""

    name: str
    region: str
    level: str
    phone: str | None
    credit: Decimal | None
    signed_on: date
    note: str | None


class PaymentOut(Out):
    """A payment with the customer's id."""

    number: str
    customer_id: uuid.UUID
    due_on: date
    status: str
    amount: Decimal
    paid_on: date | None
    note: str | None


class PaymentWithCustomer(PaymentOut):
    """A payment with its customer."""

    customer: CustomerOut


class PaymentIn(BaseModel):
    """A new payment."""

    model_config = ConfigDict(extra="forbid")

    number: Annotated[str, Field(min_length=1, max_length=40)]
    customer_id: uuid.UUID
    due_on: date
    status: Status
    amount: Money
    paid_on: date | None = None
    note: Annotated[str, Field(max_length=300)] | None = None


class PaymentChange(BaseModel):
    """What of a payment changes."""

    model_config = ConfigDict(extra="forbid")

    due_on: date | None = None
    status: Status | None = None
    amount: Money | None = None
    paid_on: date | None = None
    note: Annotated[str, Field(max_length=300)] | None = None


class SumOut(BaseModel):
    """One group of the report."""

    status: str
    month: str
    amount: Decimal


# -- the database and the caller ------------------------------------------------------------------------------------------


def make_engine(url: str) -> AsyncEngine:
    """Open the database as one does: WAL, a connection per request under way."""
    engine = create_async_engine(url, pool_size=16, max_overflow=0)
    if engine.dialect.name == "sqlite":

        @sa.event.listens_for(engine.sync_engine, "connect")
        def _prepare(connection: Any, _: Any) -> None:
            synchronous = os.environ.get("YARDSTICK_SYNCHRONOUS", "NORMAL")
            for pragma in (
                "journal_mode=WAL",
                f"synchronous={synchronous}",
                "busy_timeout=30000",
                "foreign_keys=ON",
                "cache_size=-32768",
                "mmap_size=268435456",
            ):
                connection.execute(f"PRAGMA {pragma}")

    return engine


engine = make_engine(os.environ.get("YARDSTICK_DATABASE", "sqlite+aiosqlite:///data/bench/yardstick.db"))
sessions = async_sessionmaker(engine, expire_on_commit=False)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Close the connections at the end."""
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)
_bearer = HTTPBearer(auto_error=False)
_remembered: dict[str, tuple[float, uuid.UUID]] = {}
_REMEMBER_SECONDS = float(os.environ.get("YARDSTICK_REMEMBER", "0"))


async def session_of() -> AsyncIterator[AsyncSession]:
    """A session for one request."""
    async with sessions() as session:
        yield session


Session = Annotated[AsyncSession, Depends(session_of)]


async def user_of(
    session: Session, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> uuid.UUID:
    """Who calls."""
    if credentials is None:
        raise HTTPException(401, "a token is needed")
    hashed = hashlib.sha256(credentials.credentials.encode()).hexdigest()
    known = _remembered.get(hashed)
    if known is not None and known[0] > time.monotonic():
        return known[1]
    user = await session.scalar(sa.select(Token.user_id).where(Token.secret_hash == hashed))
    if user is None:
        raise HTTPException(401, "the token is not valid")
    if _REMEMBER_SECONDS:
        _remembered[hashed] = (time.monotonic() + _REMEMBER_SECONDS, user)
    return user


User = Annotated[uuid.UUID, Depends(user_of)]


def _event(entity: str, record: Record, kind: str, actor: uuid.UUID, changes: dict[str, Any]) -> Event:
    return Event(
        entity=entity,
        record_id=record.id,
        kind=kind,
        at=record.updated_at,
        actor=actor,
        revision=record.revision,
        changes=changes,
    )


# -- routes ---------------------------------------------------------------------------------------------------------------


@app.get("/customers/{customer_id}", response_model=CustomerOut)
async def get_customer(customer_id: uuid.UUID, session: Session, _: User) -> Customer:
    """Return one customer."""
    found = await session.get(Customer, customer_id)
    if found is None:
        raise HTTPException(404)
    return found


@app.get("/customers", response_model=list[CustomerOut])
async def list_customers(
    session: Session,
    _: User,
    region: Region | None = None,
    level: Level | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> Any:
    """Return customers, latest signed first."""
    query = sa.select(Customer).order_by(Customer.signed_on.desc(), Customer.id.desc()).limit(limit).offset(offset)
    if region is not None:
        query = query.where(Customer.region == region)
    if level is not None:
        query = query.where(Customer.level == level)
    return (await session.scalars(query)).all()


@app.get("/payments", response_model=list[PaymentWithCustomer])
async def list_payments(
    session: Session,
    _: User,
    status: Status | None = None,
    due_from: date | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> Any:
    """Return payments with their customers, first due first."""
    query = sa.select(Payment).options(joinedload(Payment.customer, innerjoin=True))
    query = query.order_by(Payment.due_on, Payment.id).limit(limit).offset(offset)
    if status is not None:
        query = query.where(Payment.status == status)
    if due_from is not None:
        query = query.where(Payment.due_on >= due_from)
    return (await session.scalars(query)).all()


@app.get("/payments/sums", response_model=list[SumOut])
async def sum_payments(session: Session, _: User) -> Any:
    """Return the amounts by status and month."""
    sqlite = engine.dialect.name == "sqlite"
    month = sa.func.strftime("%Y-%m", Payment.due_on) if sqlite else sa.func.to_char(Payment.due_on, "YYYY-MM")
    query = sa.select(Payment.status, month.label("month"), sa.func.sum(Payment.amount).label("amount"))
    return (await session.execute(query.group_by(Payment.status, month).order_by(Payment.status, month))).all()


@app.get("/payments/{payment_id}", response_model=PaymentOut)
async def get_payment(payment_id: uuid.UUID, session: Session, _: User) -> Payment:
    """Return one payment."""
    found = await session.get(Payment, payment_id)
    if found is None:
        raise HTTPException(404)
    return found


@app.post("/payments", response_model=PaymentOut, status_code=201)
async def create_payment(body: PaymentIn, session: Session, user: User, response: Response) -> Payment:
    """Create a payment."""
    now = datetime.now(UTC)
    payment = Payment(
        **body.model_dump(),
        id=uuid.uuid4(),
        revision=1,
        created_at=now,
        updated_at=now,
        created_by=user,
        updated_by=user,
    )
    session.add(payment)
    session.add(_event("payment", payment, "created", user, body.model_dump(mode="json")))
    await _commit(session)
    response.headers["location"] = f"/payments/{payment.id}"
    return payment


@app.patch("/payments/{payment_id}", response_model=PaymentOut)
async def update_payment(payment_id: uuid.UUID, body: PaymentChange, session: Session, user: User) -> Payment:
    """Change fields of a payment."""
    payment = await session.get(Payment, payment_id, with_for_update=True)
    if payment is None:
        raise HTTPException(404)
    changes = {}
    shown = body.model_dump(mode="json", exclude_unset=True)
    for key in body.model_fields_set:
        changes[key] = [str(getattr(payment, key)), shown[key]]
        setattr(payment, key, getattr(body, key))
    payment.revision += 1
    payment.updated_at, payment.updated_by = datetime.now(UTC), user
    session.add(_event("payment", payment, "updated", user, changes))
    await _commit(session)
    return payment


@app.post("/payments/batch", status_code=201)
async def create_payments(
    bodies: Annotated[list[PaymentIn], Field(max_length=BATCH)], session: Session, user: User
) -> dict[str, int]:
    """Create many payments, all or none."""
    now = datetime.now(UTC)
    stamp = {"revision": 1, "created_at": now, "updated_at": now, "created_by": user, "updated_by": user}
    rows = [{**body.model_dump(), **stamp, "id": uuid.uuid4()} for body in bodies]
    events = [
        {
            "entity": "payment",
            "record_id": row["id"],
            "kind": "created",
            "at": now,
            "actor": user,
            "revision": 1,
            "changes": body.model_dump(mode="json"),
        }
        for row, body in zip(rows, bodies, strict=True)
    ]
    try:
        await session.execute(sa.insert(Payment), rows)
        await session.execute(sa.insert(Event), events)
    except IntegrityError:
        raise HTTPException(422, "a customer does not exist") from None
    await session.commit()
    return {"created": len(rows)}


async def _commit(session: AsyncSession) -> None:
    try:
        await session.commit()
    except IntegrityError:
        raise HTTPException(422, "the customer does not exist") from None
