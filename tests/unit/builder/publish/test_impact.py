"""Looking at records before a publish: a column that is still to come is no error, anything else is."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from builder.publish.impact import IndexValue, count_duplicates
from builder.store.database import open_database
from builder.store.types import Words

VALUES = [IndexValue("name", Words())]


def test_only_a_missing_column_is_passed_over(database_url: str):
    database = open_database(database_url)
    with database.transaction() as connection:
        connection.execute(sa.text("CREATE TABLE some_table (id text, name text)"))
        where = tuple((name, "is_main = 1") for name in ("postgresql", "sqlite"))
        assert count_duplicates(connection, "some_table", VALUES, where) == (0, ())
        with pytest.raises(sa.exc.DBAPIError):
            count_duplicates(connection, "no_such_table", VALUES, where)
    database.close()
