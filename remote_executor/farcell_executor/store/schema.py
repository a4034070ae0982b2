"""The tables, their version, and how an older database becomes a newer one.

Scalar fields are columns, so that a person with the sqlite3 command line sees them; structs are JSON. `seq`
is the order of first saving, which decides between rows created in the same instant.
"""

from collections.abc import Callable, Mapping

from sqlalchemy import Column, Connection, Float, Index, Integer, LargeBinary, MetaData, String, Table, Text, select

from farcell_protocol.errors import SchemaTooNew

VERSION = 3
"""Raised with every change of the tables, together with a step in `MIGRATIONS`."""

Step = Callable[[Connection], None]

metadata = MetaData()

version_table = Table("schema_version", metadata, Column("version", Integer, nullable=False))


def _noun(name: str, *columns: Column[object]) -> Table:
    seq: Column[int] = Column("seq", Integer, primary_key=True)
    key: Column[str] = Column("id", String, nullable=False, unique=True)
    return Table(name, metadata, seq, key, *columns)


def _text(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, Text, nullable=nullable)


def _number(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, Float, nullable=nullable)


runs = _noun(
    "runs",
    _text("owner"),
    _text("session"),
    _text("state"),
    _number("created"),
    _text("request"),
    _text("why"),
    _text("worker", nullable=True),
    _number("started", nullable=True),
    _number("ended", nullable=True),
    _text("outcome", nullable=True),
    _text("reason", nullable=True),
    _text("stop_reason", nullable=True),
    _number("force_at", nullable=True),
    _number("grace_s"),
)
# Every index that a save changes costs one more page of WAL. So the indexes are on what never changes,
# and those of the living are partial: they stay a page long, however many have ended.
Index("runs_by_owner", runs.c.owner, runs.c.created)
Index("runs_by_age", runs.c.created)
Index("runs_unfinished", runs.c.created, sqlite_where=runs.c.state != "ended")

# Apart from the runs, because a payload can be megabytes and never changes, while its run's row does.
payloads = Table(
    "payloads",
    metadata,
    Column("run", String, primary_key=True),
    Column("payload", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

sessions = _noun(
    "sessions",
    _text("owner"),
    _text("key"),
    _text("name"),
    _text("notebook"),
    _text("gpu"),
    _text("python"),
    Column("once", Integer, nullable=False),
    _number("scaledown_window_s"),
    _text("state"),
    _number("created"),
    _text("why"),
    _text("worker", nullable=True),
    _number("idle_since", nullable=True),
    _number("ended", nullable=True),
    _text("reason", nullable=True),
    _text("executable"),
    _text("cwd"),
)
Index("sessions_by_owner", sessions.c.owner, sessions.c.created)
Index("sessions_alive", sessions.c.created, sqlite_where=sessions.c.state != "ended")

workers = _noun(
    "workers",
    _text("session"),
    _text("node"),
    _text("devices"),
    _text("state"),
    _number("created"),
    Column("pid", Integer),
    Column("start_ticks", Integer),
    Column("pid_namespace", Integer),
    _text("isolation"),
    _text("started_by"),
    _text("fallback"),
    _text("reason", nullable=True),
)
Index("workers_alive", workers.c.created, sqlite_where=workers.c.state != "gone")

nodes = _noun(
    "nodes",
    _text("boot_id"),
    _text("keeper"),
    _text("name"),
    Column("embedded", Integer, nullable=False),
    _text("python"),
    _text("state"),
    _number("last_seen"),
    _text("devices"),
    _text("notes"),
)

tokens = _noun(
    "tokens",
    Column("digest", LargeBinary, nullable=False),
    _text("user"),
    _text("scope"),
    _text("note"),
    _number("created"),
    _number("expires", nullable=True),
    _number("revoked", nullable=True),
    _text("node", nullable=True),
)


pruned = Table(
    "pruned",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    _text("owner"),
    _number("ended"),
    _number("pruned"),
)


def _remember_pruned_runs(connection: Connection) -> None:
    pruned.create(connection)


def _bind_tokens_to_nodes(connection: Connection) -> None:
    connection.exec_driver_sql("ALTER TABLE tokens ADD COLUMN node TEXT")


MIGRATIONS: Mapping[int, Step] = {1: _remember_pruned_runs, 2: _bind_tokens_to_nodes}
"""The step from each version to the next; each runs inside the transaction that raises the version."""


def upgrade(
    connection: Connection, where: str, *, version: int = VERSION, steps: Mapping[int, Step] = MIGRATIONS
) -> None:
    """Bring the database up to `version`, inside the transaction that `connection` is in.

    Raises:
        SchemaTooNew: a newer program wrote it; `where` names the file.
    """
    version_table.create(connection, checkfirst=True)
    found = connection.execute(select(version_table.c.version)).scalar()
    if found is None:
        metadata.create_all(connection)
        connection.execute(version_table.insert().values(version=version))
        return
    if found > version:
        raise SchemaTooNew(
            f"{where} has schema {found}, this program knows up to {version}:"
            " start the newer farcell again, or move the file away",
            path=where,
            schema=found,
            known=version,
        )
    for step in range(found, version):
        steps[step](connection)
    if found < version:
        connection.execute(version_table.update().values(version=version))
