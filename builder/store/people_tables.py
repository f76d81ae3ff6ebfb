"""Tables of how people prove who they are, besides passwords: second factors, providers, and what was asked for on the way."""

from __future__ import annotations

import sqlalchemy as sa

from builder.store.platform import PREFIX, metadata
from builder.store.types import Identifier, Instant, Whole, Words

factor = sa.Table(
    PREFIX + "factor",
    metadata,
    sa.Column("user_id", Identifier, sa.ForeignKey(PREFIX + "user.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("secret", Words, nullable=False, comment="sealed: runtime/secrets"),
    sa.Column("confirmed_at", Instant, comment="null = set up but never used: it is not asked for yet"),
    sa.Column("last_step", Whole, nullable=False, comment="the last half minute a code was used of: each counts once"),
    sa.Column("recovery", Words, nullable=False, comment="hashes of unused recovery codes, JSON list"),
)

provider_account = sa.Table(
    PREFIX + "provider_account",
    metadata,
    sa.Column("provider", Words, primary_key=True, comment="issuer"),
    sa.Column("subject", Words, primary_key=True, comment="who they are there"),
    sa.Column("user_id", Identifier, sa.ForeignKey(PREFIX + "user.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("created_at", Instant, nullable=False),
)

provider_login = sa.Table(
    PREFIX + "provider_login",
    metadata,
    sa.Column("state_hash", Words, primary_key=True, comment="a login that was begun, by the hash of its state"),
    sa.Column("nonce", Words, nullable=False),
    sa.Column("verifier", Words, nullable=False, comment="of PKCE; worth nothing once the code is used"),
    sa.Column("browser_hash", Words, nullable=False, comment="of the cookie of the browser that began"),
    sa.Column(
        "user_id",
        Identifier,
        sa.ForeignKey(PREFIX + "user.id", ondelete="CASCADE"),
        comment="whose account is being bound; null = whoever it is logs in",
    ),
    sa.Column("next", Words, nullable=False, comment="where it leads: a path on this service"),
    sa.Column("expires_at", Instant, nullable=False),
)
