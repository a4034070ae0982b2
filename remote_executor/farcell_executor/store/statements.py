"""The statements that the store on SQLite sends."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ClauseElement, Select, Table, bindparam, select
from sqlalchemy.dialects import sqlite

from farcell_executor.store import schema
from farcell_executor.store.rows import TABLES, Kept

_NEVER_CHANGE = ("id", "owner", "created")
_DIALECT = sqlite.dialect(paramstyle="named")


def _compiled(statement: ClauseElement, *columns: str) -> str:
    # Compiled once: looking a statement up in SQLAlchemy's cache costs as much as SQLite takes to execute it.
    return str(statement.compile(dialect=_DIALECT, column_keys=columns or None))


def _upsert(table: Table) -> str:
    fresh = sqlite.insert(table)
    columns = [column.name for column in table.c if column.name != "seq"]
    changed = {name: fresh.excluded[name] for name in columns if name not in _NEVER_CHANGE}
    return _compiled(fresh.on_conflict_do_update(index_elements=["id"], set_=changed), *columns)


UPSERTS: Mapping[type[Kept], str] = {kind: _upsert(table) for kind, table in TABLES.items()}
KEEP_PAYLOAD = _compiled(sqlite.insert(schema.payloads).prefix_with("OR REPLACE"))
DROP_PAYLOAD = _compiled(schema.payloads.delete().where(schema.payloads.c.run == bindparam("run")))


def with_payload() -> Select[Any]:
    """Runs, with their payloads where there are any."""
    joined = schema.runs.outerjoin(schema.payloads, schema.runs.c.id == schema.payloads.c.run)
    return select(schema.runs, schema.payloads.c.payload).select_from(joined)


def newest(query: Select[Any], table: Table, owner: str | None, limit: int) -> Select[Any]:
    """The newest `limit` of a query, of one owner or of all, newest first."""
    if owner is not None:
        query = query.where(table.c.owner == owner)
    return query.order_by(table.c.created.desc(), table.c.seq.desc()).limit(limit)
