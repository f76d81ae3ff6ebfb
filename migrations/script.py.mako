"""${message}"""

import sqlalchemy as sa
from alembic import op
from builder.store.types import Identifier, Instant, Whole, Words, YesNo

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}
