"""A timer is found by app, rule and subject, its primary key: on SQLite it then stands in two trees of pages instead of five."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from builder.store.types import Identifier, Instant, Whole, Words, YesNo

revision = "0024_timer_keys"
down_revision = "0023_export_part"

_TABLE = "dougong_timer"
_KEY = ["app", "rule", "subject"]
_BY_RECORD = ["app", "entity", "record_id"]
_OTHERS = sa.text("record_id <> subject")


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        _rebuild(_KEY, with_rowid=False)
        _index_due()
    else:
        op.drop_index("ix_dougong_timer_record", _TABLE)
        op.drop_constraint(op.f("pk_dougong_timer"), _TABLE)
        op.execute(
            f"ALTER TABLE {_TABLE} ADD CONSTRAINT pk_dougong_timer PRIMARY KEY USING INDEX uq_dougong_timer_subject"
        )
    op.create_index("ix_dougong_timer_record", _TABLE, _BY_RECORD, sqlite_where=_OTHERS, postgresql_where=_OTHERS)


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        _rebuild(["generation"], with_rowid=True)
        _index_due()
    else:
        op.drop_index("ix_dougong_timer_record", _TABLE)
        op.drop_constraint(op.f("pk_dougong_timer"), _TABLE)
        op.create_primary_key(op.f("pk_dougong_timer"), _TABLE, ["generation"])
    op.create_index("uq_dougong_timer_subject", _TABLE, _KEY, unique=True)
    op.create_index("ix_dougong_timer_record", _TABLE, _BY_RECORD)


def _rebuild(key: Sequence[str], *, with_rowid: bool) -> None:
    """Put all rows into a table with another key. SQLite cannot change one; its indexes go with the old table."""
    old = f"{_TABLE}_before"
    op.rename_table(_TABLE, old)
    made = op.create_table(
        _TABLE,
        sa.Column("app", Words(), nullable=False),
        sa.Column("rule", Words(), nullable=False, comment="key of a reminder"),
        sa.Column(
            "subject", Identifier(), nullable=False, comment="the record, or whose turn it is (a person, a customer)"
        ),
        sa.Column(
            "generation", Identifier(), nullable=False, comment="new with every arming: a notice of an old one is void"
        ),
        sa.Column("entity", Words(), nullable=False),
        sa.Column("record_id", Identifier(), nullable=False, comment="the record its actions are about"),
        sa.Column("step", Whole(), nullable=False, comment="the next firing, counted from 0"),
        sa.Column("anchor_at", Instant(), nullable=False, comment="the occasion: what the steps count from"),
        sa.Column("due_at", Instant(), comment="null = nothing is left to come (or it stands still)"),
        sa.Column("calendar", Words(), comment="the calendar that was counted in"),
        sa.Column("provisional", YesNo(), nullable=False, comment="counted through a year without holidays"),
        sa.Column("paused_at", Instant(), comment="since when it stands still"),
        sa.Column("paused_seconds", Whole(), nullable=False, comment="how long it stood still before"),
        sa.Column("snoozed_until", Instant()),
        sa.Column("acknowledged_at", Instant()),
        sa.Column("acknowledged_by", Words(), comment="user id"),
        sa.ForeignKeyConstraint(["app"], ["dougong_app.key"], name=op.f("fk_dougong_timer_app"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint(*key, name=op.f("pk_dougong_timer")),
        sqlite_with_rowid=with_rowid,
    )
    names = [column.name for column in made.columns]
    before = sa.table(old, *(sa.column(name) for name in names))
    op.execute(sa.insert(made).from_select(names, sa.select(before).order_by(*(before.c[name] for name in key))))
    op.drop_table(old)


def _index_due() -> None:
    live = sa.text("due_at IS NOT NULL")
    op.create_index("ix_dougong_timer_due_at", _TABLE, ["app", "due_at"], sqlite_where=live, postgresql_where=live)
