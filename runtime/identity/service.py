"""Identity as one value: what the composition root hands to whoever manages users, sessions and tokens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from builder.kernel.clock import Clock
from builder.kernel.ids import Ids
from builder.store.database import Database
from runtime.identity.audit import Audit
from runtime.identity.departments import Departments
from runtime.identity.directory import Directory
from runtime.identity.factors import Factors
from runtime.identity.grants import Grants
from runtime.identity.passwords import PasswordRules, Passwords
from runtime.identity.sessions import Sessions
from runtime.identity.setup import Setup
from runtime.identity.tokens import Tokens
from runtime.identity.users import Users
from runtime.secrets.sealing import Sealer


@dataclass(frozen=True, slots=True)
class Identity:
    """Synchronous services; from a coroutine call them in a thread."""

    users: Users
    departments: Departments
    sessions: Sessions
    tokens: Tokens
    setup: Setup
    audit: Audit
    directory: Directory
    factors: Factors
    grants: Grants
    passwords: Passwords


def make_identity(
    database: Database,
    clock: Clock,
    ids: Ids,
    *,
    sealer: Sealer,
    session_lifetime: timedelta,
    password_rules: PasswordRules | None = None,
) -> Identity:
    """Put the identity services of one instance together."""
    passwords = Passwords(password_rules)
    audit = Audit(database, clock)
    users = Users(database, clock, ids, passwords, audit)
    factors = Factors(database, clock, ids, sealer, audit)
    departments = Departments(database, ids, audit)
    sessions = Sessions(database, clock, ids, passwords, audit, factors, lifetime=session_lifetime)
    return Identity(
        users=users,
        departments=departments,
        sessions=sessions,
        tokens=Tokens(database, clock, ids, audit),
        setup=Setup(database, clock, ids, passwords, users, sessions, audit),
        audit=audit,
        factors=factors,
        directory=Directory(database, users, departments, audit),
        grants=Grants(database, clock, ids, audit),
        passwords=passwords,
    )
