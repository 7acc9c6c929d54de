"""PostgreSQL: builds a world, replicates it as ClickPipes does, and compares the copy.

The order and the rules are those of ClickPipes' engine. What it does not do is not done here either.
"""

import contextlib
import re
import select
import struct
import threading
import time

import psycopg2
import psycopg2.extras
from psycopg2 import sql

from judge import CDC, WAITS, Loss, Outcome, Sorted, compare, last_of_each_key, without_a_key
from login import USER
from world import CONNECTIONS, Invalid

DATABASE = "app"
SLOT = "truth"
# One way to write values, whatever the database's own settings are.
FORMAT = (
    "-c datestyle=ISO,YMD -c intervalstyle=postgres -c extra_float_digits=1 -c bytea_output=hex -c timezone=UTC"
    " -c lc_monetary=C -c client_encoding=UTF8 -c statement_timeout=0 -c idle_in_transaction_session_timeout=0"
)
# A slot waits for every open transaction. ClickPipes waits too, without end.
SLOT_WAIT = 1.5
# Another object needs the column: a column list or a row filter of a publication.
DEPENDENT_OBJECTS = "2BP01"
# Roles that exist between worlds.
ROLES = ("rdsadmin", "rds_iam", "rds_replication")


class Refused(Exception):
    """A rule of ClickPipes' engine that no server enforces."""


def words(error):
    if isinstance(error, psycopg2.Error):
        return f"{str(error).strip().splitlines()[0]} ({error.pgcode})"
    return str(error)


def quoted(*names):
    return ".".join('"{}"'.format(name.replace('"', '""')) for name in names)


class Postgres:
    def __init__(self, request, login):
        self.request, self.login = request, login
        self.place, self.primary = request["place"], request.get("primary") or request["place"]
        self.is_standby = self.primary is not self.place
        self.server = self.superuser("postgres")
        # Where the pipe connects: the server itself, or a standby of it.
        self.endpoint = self.superuser("postgres", self.place)
        self.version = self.server.server_version // 10000
        self.settings(["rds.iam_auth_for_replication", "1"])

    def close(self):
        self.server.close()
        self.endpoint.close()

    def socket(self, place):
        return {"host": place["socket"], "port": place["port"], "user": "rdsadmin", "options": FORMAT}

    def superuser(self, database, place=None):
        connection = psycopg2.connect(dbname=database, **self.socket(place or self.primary))
        connection.autocommit = True
        return connection

    def settings(self, *pairs):
        with self.endpoint.cursor() as cursor:
            for name, value in pairs:
                cursor.execute(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.SQL(name), sql.Literal(value)))
            self.reload(cursor)

    def reset(self, settings):
        with self.endpoint.cursor() as cursor:
            for name, _ in settings:
                cursor.execute(sql.SQL("ALTER SYSTEM RESET {}").format(sql.SQL(name)))
            self.reload(cursor)
        if any(name.startswith("rds.") for name, _ in settings):
            self.settings(["rds.iam_auth_for_replication", "1"], ["rds.logical_replication", "on"])

    @staticmethod
    def reload(cursor):
        cursor.execute("SELECT pg_conf_load_time()")
        before = cursor.fetchone()
        cursor.execute("SELECT pg_reload_conf()")
        for _ in range(2000):
            # The postmaster rereads its files when it can; this backend when it is idle.
            cursor.execute("SELECT pg_sleep(0.002), pg_conf_load_time()")
            if cursor.fetchone()[1:] != before:
                return
        raise RuntimeError("the server does not reread its settings")

    def clean(self):
        with self.server.cursor() as cursor:
            # A WAL sender of a session that has ended holds its slot until it notices.
            while True:
                cursor.execute("SELECT pg_terminate_backend(active_pid, 1000) FROM pg_replication_slots WHERE active")
                if not cursor.fetchall():
                    break
            cursor.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")
            # Only in the database where it was prepared.
            cursor.execute("SELECT gid, database FROM pg_prepared_xacts")
            for gid, database in cursor.fetchall():
                inside = self.superuser(database)
                inside.cursor().execute("ROLLBACK PREPARED %s", (gid,))
                inside.close()
            cursor.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
            cursor.execute("ALTER ROLE rds_iam NOLOGIN")
            cursor.execute("SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_' AND rolname <> ALL (%s)", (list(ROLES),))
            for (role,) in cursor.fetchall():
                cursor.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))

    def run(self, world, check, forgiving=False):
        """The verdict that `check` gives before the workload, and what happened. `forgiving`: a statement of the setup that the
        server refuses is left out of the world, else it is invalid."""
        self.clean()
        # A comment with the options of CREATE DATABASE comes first.
        options = world.setup[0].removeprefix("-- database") if world.setup and world.setup[0].startswith("-- database") else ""
        with self.server.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {DATABASE} {options}")
        admin = self.superuser(DATABASE)
        # Sessions of other programs.
        others = {}
        try:
            if world.settings:
                try:
                    self.settings(*world.settings)
                except psycopg2.Error as why:
                    raise Invalid(words(why))
            with admin.cursor() as cursor:
                # A statement that waits for another session of the world must not wait for ever.
                cursor.execute("SET statement_timeout = '1min'")
                for statement in list(world.setup):
                    try:
                        self.prepare(cursor, statement, others)
                    except psycopg2.Error as why:
                        if not forgiving:
                            raise Invalid(f"{statement}: {words(why)}")
                        world.setup.remove(statement)
            self.catch_up(admin)
            verdict = check(world.pipe)
            return verdict, Run(self, world, admin, verdict).outcome()
        finally:
            admin.close()
            for other in others.values():
                other.close()
            if world.settings:
                self.reset(world.settings)

    def prepare(self, cursor, statement, others):
        """A statement of the setup. Its first line can say where it runs."""
        if statement.startswith("-- database"):
            return
        if statement.startswith("-- in another session\n"):
            if "session" not in others:
                others["session"] = psycopg2.connect(dbname=DATABASE, **self.socket(self.primary))
            others["session"].cursor().execute(statement)
        elif statement.startswith("-- as a WAL sender\n"):
            walsender = psycopg2.extras.LogicalReplicationConnection
            others[len(others)] = psycopg2.connect(dbname=DATABASE, connection_factory=walsender, **self.socket(self.place))
            others[len(others) - 1].cursor().execute(statement.split("\n", 1)[1])
        elif statement.startswith("-- on the standby\n"):
            self.catch_up(cursor.connection)
            inside = self.superuser(DATABASE, self.place)
            with self.running_transactions():
                inside.cursor().execute(statement)
            inside.close()
        else:
            cursor.execute(statement)

    def catch_up(self, admin):
        """Waits until the standby has everything."""
        if not self.is_standby:
            return
        with admin.cursor() as primary, self.endpoint.cursor() as standby:
            primary.execute("SET synchronous_commit = on")
            primary.execute("SELECT pg_logical_emit_message(true, 'truth', 'flush')")
            primary.execute("SELECT pg_current_wal_lsn()")
            [reached] = primary.fetchone()
            for _ in range(2000):
                if one(standby, "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", reached):
                    return
                standby.execute("SELECT pg_sleep(0.005)")
        raise RuntimeError("the standby does not follow")

    @contextlib.contextmanager
    def running_transactions(self):
        """A slot on a standby waits for a record that a primary without writes rarely sends."""
        done = threading.Event()

        def send():
            connection = self.superuser("postgres")
            while self.is_standby and self.version >= 16 and not done.wait(0.02):
                connection.cursor().execute("SELECT pg_log_standby_snapshot()")
            connection.close()

        thread = threading.Thread(target=send)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def connect(self, **more):
        return psycopg2.connect(
            host=self.login.host,
            hostaddr="127.0.0.1",
            port=self.login.port,
            dbname=DATABASE,
            user=USER,
            password=self.login.token(),
            sslmode="verify-full",
            sslrootcert=self.login.trust_root,
            gssencmode="disable",
            connect_timeout=10,
            options=FORMAT,
            **more,
        )


class Copy:
    def __init__(self, columns, rows):
        self.columns = columns
        self.rows = rows


class Run:
    """One pipe."""

    def __init__(self, postgres, world, admin, verdict):
        self.postgres, self.world, self.admin, self.verdict = postgres, world, admin, verdict
        self.pipe = world.pipe
        self.result = Outcome()
        self.copies = {}
        # The columns of each table when it was copied.
        self.first_columns = {}
        # Table and column of each unchanged TOAST value that did not arrive.
        self.unchanged = set()
        self.hidden = {}
        # Tables with a sorting key of their own.
        self.sorted = {}
        self.published = None
        self.connections = []
        self.slot = self.pipe.slot or SLOT

    def outcome(self):
        self.tables = [tuple(table) for table in self.pipe.tables] or self.all_tables()
        try:
            self.pipeline(self.connections)
        finally:
            for connection in self.connections:
                connection.close()
        return self.result

    def all_tables(self):
        return self.ask(
            """SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
                ORDER BY 1, 2"""
        )

    def ask(self, question, *values):
        with self.admin.cursor() as cursor:
            cursor.execute(question, values or None)
            return cursor.fetchall()

    def pipeline(self, connections):
        try:
            ordinary = self.postgres.connect()
            connections.append(ordinary)
            ordinary.autocommit = True
            with ordinary.cursor() as cursor:
                self.check_tables(cursor)
        except (psycopg2.Error, Refused) as why:
            self.result.load_error = words(why)
            return
        stream = None
        if self.pipe.mode != "snapshot":
            try:
                replication = self.postgres.connect(connection_factory=psycopg2.extras.LogicalReplicationConnection)
                connections.append(replication)
                stream = replication.cursor()
                with ordinary.cursor() as cursor:
                    self.check_changes(stream, cursor)
                if self.world.limits_connections():
                    for _ in range(CONNECTIONS - len(connections)):
                        connections.append(self.postgres.connect())
                if self.pipe.slot:
                    self.use_slot()
                else:
                    self.create_slot(stream)
            except (psycopg2.Error, Refused) as why:
                self.result.cdc_error = words(why)
                stream = None
        try:
            with ordinary.cursor() as cursor:
                self.snapshot(cursor)
        except psycopg2.Error as why:
            self.result.load_error = words(why)
            return
        if stream is None:
            self.lost_at_load()
            return
        if self.world.paused:
            stream.connection.close()
        self.work()
        try:
            self.follow(self.resumed() if self.world.paused else stream)
        except psycopg2.errors.ObjectNotInPrerequisiteState as why:
            if not self.world.paused:
                raise
            self.result.losses.append(Loss("", "slot lost in a pause", [], words(why)))
            return
        except psycopg2.Error as why:
            self.result.cdc_error = words(why)
            return
        self.compare()

    def resumed(self):
        """The stream after a pause in which the server wrote much, and checked for how long the slot was idle."""
        [(idle,)] = self.ask("SELECT count(*) FROM pg_settings WHERE name = 'idle_replication_slot_timeout' AND setting <> '0'")
        if idle:
            time.sleep(1.2)
        for _ in range(2):
            self.ask("SELECT pg_switch_wal()")
            with self.admin.cursor() as cursor:
                cursor.execute("CHECKPOINT")
        self.connections.append(self.postgres.connect(connection_factory=psycopg2.extras.LogicalReplicationConnection))
        return self.connections[-1].cursor()

    # Validation

    def check_tables(self, cursor):
        usable = []
        for schema, table in self.tables:
            try:
                if "." in table:
                    raise Refused(f"invalid table name {schema}.{table}")
                # ClickPipes splits the copy by ctid, and lists only tables. Whether it takes a view anyway is not known.
                kind = "SELECT relkind FROM pg_catalog.pg_class WHERE oid = %s::regclass"
                if one(cursor, kind, quoted(schema, table)) not in ("r", "p"):
                    raise Refused(f"{schema}.{table} is not a table")
                cursor.execute(f"SELECT {self.columns_to_read(schema, table)} FROM {quoted(schema, table)} LIMIT 0")
                if not self.primary_key((schema, table)) and not self.pipe.sorting_of((schema, table)):
                    raise Refused(without_a_key(schema, table))
                usable.append((schema, table))
            except (psycopg2.Error, Refused) as why:
                if self.pipe.tables:
                    raise
                self.result.unusable[f"{schema}.{table}"] = words(why)
        if not usable:
            raise Refused("no table can be read")
        self.tables = usable if self.pipe.tables else self.advised_tables(usable)

    def advised_tables(self, usable):
        """Without chosen tables, the user chooses those that no finding excludes, if the verdict is CDC."""
        kept = [table for table in usable if not self.verdict.excludes(".".join(table))]
        return kept if kept and self.verdict.capability == CDC else usable

    def columns_to_read(self, schema, table):
        excluded = self.pipe.excluded_of((schema, table))
        if not excluded:
            return "*"
        names = [name for name in self.source_columns(schema, table) if name not in excluded]
        return ", ".join(map(quoted, names))

    def source_columns(self, schema, table):
        rows = self.ask(
            """SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
                ORDER BY attnum""",
            quoted(schema, table),
        )
        return [name for (name,) in rows]

    def check_changes(self, stream, cursor):
        stream.execute("IDENTIFY_SYSTEM")
        if one(cursor, "SHOW wal_level") != "logical":
            raise Refused("wal_level is not logical")
        if int(one(cursor, "SHOW max_wal_senders")) < 2:
            raise Refused("max_wal_senders must be at least 2")
        if one(cursor, "SELECT pg_catalog.pg_is_in_recovery()"):
            if self.postgres.version < 16:
                raise Refused("logical replication from a standby needs version 16")
            if one(cursor, "SHOW hot_standby_feedback") != "on":
                raise Refused("hot_standby_feedback must be on")
        if not one(cursor, "SELECT rolreplication FROM pg_catalog.pg_roles WHERE rolname = current_user"):
            if one(cursor, "SELECT pg_catalog.current_setting('rds.logical_replication', true)") != "on":
                raise Refused("rds.logical_replication must be enabled")
        self.check_identities(cursor)
        self.publication = self.pipe.publication or self.advised()
        if not self.publication:
            if self.postgres.is_standby:
                raise Refused("a standby is read-only: no publication can be created")
            self.publication = "peerflow_pub_truth"
            root = "WITH (publish_via_partition_root = true)" if self.postgres.version >= 13 else ""
            for table in list(self.tables):
                owner = "SELECT pg_catalog.pg_has_role(relowner, 'USAGE') FROM pg_catalog.pg_class WHERE oid = %s::regclass"
                if not self.pipe.tables and not one(cursor, owner, quoted(*table)):
                    self.load_only(table, "must be owner")
            tables = ", ".join(quoted(*table) for table in self.tables)
            cursor.execute(f"CREATE PUBLICATION {self.publication} FOR TABLE {tables} {root}")
            return
        everything = one(cursor, "SELECT puballtables FROM pg_catalog.pg_publication WHERE pubname = %s", self.publication)
        if everything is None:
            raise Refused(f"publication {self.publication} does not exist")
        if not everything:
            cursor.execute(
                "SELECT schemaname, tablename FROM pg_catalog.pg_publication_tables WHERE pubname = %s", (self.publication,)
            )
            published = set(cursor.fetchall())
            for table in list(self.tables):
                if table not in published:
                    self.load_only(table, f"not in publication {self.publication}")

    def advised(self):
        """The publication that the report tells the user to choose, if any."""
        for (name,) in self.ask("SELECT pubname FROM pg_publication ORDER BY length(pubname) DESC"):
            if self.verdict.advises(name):
                return name
        return ""

    def load_only(self, table, why):
        """This table cannot be followed. Without chosen tables the user leaves it out."""
        if self.pipe.tables:
            raise Refused(f"{'.'.join(table)}: {why}")
        self.result.load_only[".".join(table)] = why
        self.tables.remove(table)
        if not self.tables:
            raise Refused(f"no table can be followed: {why}")

    def check_identities(self, cursor):
        for table in list(self.tables):
            cursor.execute(
                """SELECT c.relreplident,
                    EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisreplident),
                    EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)
                  FROM pg_catalog.pg_class c WHERE c.oid = %s::regclass""",
                (quoted(*table),),
            )
            identity, index, key = cursor.fetchone()
            if identity == "n":
                self.load_only(table, "REPLICA IDENTITY NOTHING")
            elif identity == "i" and not index:
                self.load_only(table, "no replica identity index")
            elif identity == "d" and not key:
                self.load_only(table, "no primary key and not REPLICA IDENTITY FULL")

    def create_slot(self, stream):
        timer = threading.Timer(SLOT_WAIT, stream.connection.cancel)
        timer.start()
        try:
            # A temporary slot ends with its session.
            kind = "" if self.world.paused else "TEMPORARY"
            with self.postgres.running_transactions():
                stream.execute(f"CREATE_REPLICATION_SLOT {SLOT} {kind} LOGICAL pgoutput NOEXPORT_SNAPSHOT")
        except psycopg2.errors.QueryCanceled:
            raise Refused(WAITS)
        finally:
            timer.cancel()

    def use_slot(self):
        """A pipe that does not copy continues from a slot. Here the user has made the copy when the slot was made."""
        [found] = self.ask("SELECT plugin FROM pg_replication_slots WHERE slot_name = %s", self.pipe.slot) or [None]
        if not found:
            raise Refused(f"slot {self.pipe.slot} does not exist")
        if found != ("pgoutput",):
            raise Refused(f"slot {self.pipe.slot} does not use pgoutput")

    # The copy

    def snapshot(self, cursor):
        if self.pipe.mode == "cdc_only":
            # The pipe copies nothing. What its user has copied before is complete.
            cursor = self.admin.cursor()
        for schema, table in self.tables:
            columns = self.columns_to_read(schema, table)
            self.copies[schema, table] = read(cursor, f"SELECT {columns} FROM {quoted(schema, table)}")
            self.first_columns[schema, table] = list(self.copies[schema, table].columns)
            seen = len(self.copies[schema, table].rows)
            if sorting := self.pipe.sorting_of((schema, table)):
                by = self.sorted[schema, table] = Sorted(self.copies[schema, table].rows, sorting, self.primary_key((schema, table)))
                self.copies[schema, table].rows = by.rows
            with self.admin.cursor() as admin:
                there = one(admin, f"SELECT count(*) FROM {quoted(schema, table)}")
            if there != seen:
                self.hidden[schema, table] = there - seen

    def work(self):
        with self.admin.cursor() as cursor:
            for transaction in self.world.workload:
                statement = ""
                try:
                    cursor.execute("BEGIN")
                    for statement in transaction:
                        cursor.execute(statement)
                    if transaction[-1] != "ROLLBACK":
                        cursor.execute("COMMIT")
                except psycopg2.Error as why:
                    cursor.execute("ROLLBACK")
                    if not self.succeeds_unpublished(cursor, transaction, statement):
                        continue
                    dropped = re.fullmatch(r"ALTER TABLE (.+) DROP COLUMN .+", statement)
                    if dropped and why.pgcode == DEPENDENT_OBJECTS:
                        # No write of the application fails, and the one who changes the table sees it. A finding must say it.
                        self.result.losses.append(Loss(dropped[1], "column cannot be dropped", [], words(why)))
                    else:
                        self.result.broken.append(f"{statement[:120]}: {words(why)}")

    @staticmethod
    def succeeds_unpublished(cursor, transaction, statement):
        """Whether this statement of the transaction failed because of the replication setup: on the same rows it succeeds if nothing
        is published. Everything is rolled back."""
        cursor.execute("SELECT pubname FROM pg_publication")
        publications = cursor.fetchall()
        cursor.execute("BEGIN")
        try:
            for (name,) in publications:
                cursor.execute(f"DROP PUBLICATION {quoted(name)}")
            for again in transaction[: transaction.index(statement) + 1]:
                cursor.execute(again)
            return True
        except psycopg2.Error:
            return False
        finally:
            cursor.execute("ROLLBACK")

    # The changes

    def follow(self, stream):
        self.postgres.catch_up(self.admin)
        [(end,)] = self.ask("SELECT pg_current_wal_insert_lsn()")
        end = lsn(end)
        names = quoted(self.publication).replace("'", "''")
        stream.start_replication_expert(
            f"START_REPLICATION SLOT {self.slot} LOGICAL 0/0 (proto_version '1', publication_names '{names}')"
        )
        relations = Relations(self)
        asked = False
        while True:
            message = stream.read_message()
            if message:
                relations.take(message.payload)
                continue
            if stream.wal_end >= end:
                return
            # The answer says how far the server has read.
            if not asked:
                stream.send_feedback(reply=True)
            asked = select.select([stream], [], [], 0.02)[0] == [] and not asked

    # The comparison

    def lost_at_load(self):
        for table, count in self.hidden.items():
            self.result.losses.append(Loss(".".join(table), "rows hidden at load", [], f"{count} rows"))
        for table, by in self.sorted.items():
            if by.cause():
                self.result.losses.append(Loss(".".join(table), by.cause()))

    def compare(self):
        for schema, table in self.tables:
            copy = self.copies[schema, table]
            excluded = self.pipe.excluded_of((schema, table))
            with self.admin.cursor() as cursor:
                source = read(cursor, f"SELECT * FROM {quoted(schema, table)}")
            columns = [column for column in source.columns if column not in excluded]
            explain = lambda kind, what, key=(schema, table): self.explain(key, kind, what)
            if self.lacks_key_columns((schema, table)) and (schema, table) not in self.sorted:
                copy.rows = last_of_each_key(copy.rows, self.primary_key((schema, table)))
            self.result.losses += compare(
                f"{schema}.{table}",
                (columns, source.rows),
                (copy.columns, copy.rows),
                explain,
                self.pipe.sorting_of((schema, table)) or self.primary_key((schema, table)),
                self.first_columns[schema, table],
            )

    def explain(self, key, kind, what):
        if kind in ("missing", "differ"):
            if (key, what) in self.unchanged:
                return "unchanged TOAST value"
            generated = self.ask(
                "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attgenerated <> ''", quoted(*key)
            )
            if (what,) in generated:
                return "generated column"
            if self.children_not_published(key):
                return "child table not published"
            if kind == "missing" and what not in self.first_columns[key]:
                return "later column not published"
            if kind == "missing" or self.unpublished(key, what):
                return "column not published"
            if key in self.sorted and self.sorted[key].cause():
                return self.sorted[key].cause()
            return "key column excluded" if self.lacks_key_columns(key) else "values differ"
        if key in self.sorted and self.sorted[key].cause():
            return self.sorted[key].cause()
        if self.lacks_key_columns(key) and key not in self.sorted:
            return "key column excluded"
        if self.key_has_include(key):
            return "column in INCLUDE of the key"
        if key in self.hidden:
            return "rows hidden at load"
        if self.published_as_root(key):
            return "published as its root"
        if self.parts_not_logged(key):
            return "unlogged or foreign partition"
        if self.children_not_published(key):
            return "child table not published"
        lacking, extra = what
        if self.row_filters(key):
            return "row filter"
        if extra and not lacking:
            [(delete, truncate)] = self.ask(
                "SELECT pubdelete, pubtruncate FROM pg_publication WHERE pubname = %s", self.publication
            )
            if not delete:
                return "delete not published"
            if not truncate and any("TRUNCATE" in s for transaction in self.world.workload for s in transaction):
                return "truncate not published"
        return "rows differ"

    def whole_key(self, table):
        """The columns of the replica identity index, if the table has one, else of the primary key."""
        rows = self.ask(
            """SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
                JOIN pg_class c ON c.oid = i.indrelid
                WHERE c.oid = %s::regclass AND CASE c.relreplident WHEN 'i' THEN i.indisreplident ELSE i.indisprimary END""",
            quoted(*table),
        )
        return [name for (name,) in rows]

    def primary_key(self, table):
        """The engine leaves out the columns that the pipe leaves out."""
        return [name for name in self.whole_key(table) if name not in self.pipe.excluded_of(table)]

    def lacks_key_columns(self, table):
        return self.primary_key(table) != self.whole_key(table)

    def key_has_include(self, table):
        """The engine's key contains these columns, so an UPDATE of one makes another row."""
        return self.ask(
            "SELECT FROM pg_index WHERE indrelid = %s::regclass AND indisprimary AND indnatts > indnkeyatts", quoted(*table)
        )

    def published_as_root(self, key):
        if self.postgres.version < 13:
            return []
        return self.ask(
            """SELECT FROM pg_class c JOIN pg_publication p ON p.pubname = %s WHERE c.oid = %s::regclass AND c.relispartition
                AND p.pubviaroot AND p.puballtables""",
            self.publication, quoted(*key),
        )

    def parts_not_logged(self, key):
        return self.ask(
            """WITH RECURSIVE part AS (
                SELECT %s::regclass AS oid
                UNION SELECT i.inhrelid FROM pg_inherits i JOIN part ON i.inhparent = part.oid)
              SELECT relname FROM part JOIN pg_class USING (oid) WHERE relkind = 'f' OR relpersistence <> 'p'""",
            quoted(*key),
        )

    def children_not_published(self, key):
        """Tables that inherit from this one, which is not partitioned, and are not in the publication."""
        return self.ask(
            """WITH RECURSIVE child AS (
                SELECT i.inhrelid AS oid FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent
                  WHERE p.oid = %s::regclass AND p.relkind = 'r'
                UNION SELECT i.inhrelid FROM pg_inherits i JOIN child ON i.inhparent = child.oid)
              SELECT c.relname FROM child JOIN pg_class c USING (oid) JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE NOT EXISTS (SELECT FROM pg_publication_tables t
                  WHERE t.pubname = %s AND t.schemaname = n.nspname AND t.tablename = c.relname)""",
            quoted(*key), self.publication,
        )

    def row_filters(self, key):
        if self.postgres.version < 15:
            return []
        return self.ask(
            "SELECT 1 FROM pg_publication_tables WHERE pubname = %s AND schemaname = %s AND tablename = %s AND rowfilter IS NOT NULL",
            self.publication, *key,
        )

    def unpublished(self, key, column):
        if self.postgres.version < 15:
            return False
        rows = self.ask(
            "SELECT attnames::text[] FROM pg_publication_tables WHERE pubname = %s AND schemaname = %s AND tablename = %s",
            self.publication, *key,
        )
        return any(column not in names for (names,) in rows)


class Relations:
    """What pgoutput says, protocol version 1, applied to the copies."""

    def __init__(self, run):
        self.run = run
        self.known = {}
        self.keys = {}
        # A partition or a child, and what it belongs to. ClickPipes looks these up too.
        self.parents = dict(run.ask("SELECT inhrelid, inhparent FROM pg_inherits"))
        rows = run.ask("SELECT c.oid, n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace")
        self.tables = {oid: (schema, name) for oid, schema, name in rows}

    def copy_of(self, relation, name):
        if name in self.run.copies:
            return name
        while relation in self.parents:
            relation = self.parents[relation]
            if self.tables.get(relation) in self.run.copies:
                return self.tables[relation]
        return None

    def take(self, message):
        kind, body = message[:1], message[1:]
        if kind == b"R":
            self.relation(body)
        elif kind in (b"I", b"U", b"D"):
            (relation,) = struct.unpack_from(">I", body)
            key, columns = self.known[relation]
            if key:
                self.change(key, columns, body[4:], kind == b"U")
        elif kind == b"T":
            count, _ = struct.unpack_from(">IB", body)
            for relation in struct.unpack_from(f">{count}I", body, 5):
                key = self.known[relation][0]
                if key:
                    self.run.copies[key].rows.clear()

    def relation(self, body):
        (relation,) = struct.unpack_from(">I", body)
        schema, name, rest = body[4:].split(b"\0", 2)
        (count,) = struct.unpack_from(">H", rest, 1)
        columns, rest = [], rest[3:]
        for _ in range(count):
            is_key = rest[0] & 1
            column, rest = rest[1:].split(b"\0", 1)
            columns.append((column.decode(), is_key))
            rest = rest[8:]
        key = self.copy_of(relation, (schema.decode(), name.decode()))
        self.known[relation] = (key, columns)
        if key:
            copy = self.run.copies[key]
            excluded = self.run.pipe.excluded_of(key)
            copy.columns += [name for name, _ in columns if name not in copy.columns and name not in excluded]

    def change(self, key, columns, body, is_update):
        self.is_update = is_update
        old = new = None
        excluded = self.run.pipe.excluded_of(key)
        while body:
            kind, body = body[:1], body[1:]
            values, body = self.tuple(columns, body)
            values = {name: value for name, value in values.items() if name not in excluded}
            if kind == b"N":
                new = values
            else:
                old = values, kind
        rows = self.run.copies[key].rows
        if new is not None:
            for column, value in list(new.items()):
                if value is UNCHANGED:
                    if old and old[1] == b"O":
                        new[column] = old[0][column]
                    else:
                        # ClickPipes has no other value for it.
                        new[column] = None
                        self.run.unchanged.add((key, column))
        if key in self.run.sorted:
            self.sort(key, columns, old, new)
            return
        if is_update and old is None:
            # The key did not change.
            old = new, b"K"
        if old:
            names = self.key_of(key, old[0]) or [name for name, is_key in columns if is_key and name not in excluded]
            for index, row in enumerate(rows):
                if all(row.get(name) == old[0].get(name) for name in names):
                    del rows[index]
                    break
        if new is not None:
            rows.append(new)

    def sort(self, table, columns, old, new):
        """Old values are those of the replica identity, or none if an UPDATE did not change them."""
        by = self.run.sorted[table]
        sent = [name for name, is_key in columns if is_key or old and old[1] == b"O"]
        if new is None:
            by.delete(old[0], sent)
        elif self.is_update:
            before, names = (old[0], sent) if old else (new, by.primary or [name for name, is_key in columns if is_key])
            by.update(by.find(before, names), new)
        else:
            by.insert(new)

    def key_of(self, table, row):
        """The key by which ClickHouse replaces rows, if the message has it."""
        if table not in self.keys:
            self.keys[table] = self.run.primary_key(table)
        names = self.keys[table]
        return names if all(row.get(name) is not None for name in names) else []

    def tuple(self, columns, body):
        (count,) = struct.unpack_from(">H", body)
        values, at = {}, 2
        for name, _ in columns[:count]:
            kind = body[at : at + 1]
            at += 1
            if kind == b"n":
                values[name] = None
            elif kind == b"u":
                values[name] = UNCHANGED
            else:
                (length,) = struct.unpack_from(">I", body, at)
                values[name] = body[at + 4 : at + 4 + length].decode()
                at += 4 + length
        return values, body[at:]


UNCHANGED = object()


def one(cursor, question, *values):
    cursor.execute(question, values or None)
    row = cursor.fetchone()
    return row and row[0]


def lsn(text):
    high, low = text.split("/")
    return int(high, 16) << 32 | int(low, 16)


ESCAPES = {"\\b": "\b", "\\f": "\f", "\\n": "\n", "\\r": "\r", "\\t": "\t", "\\v": "\v", "\\\\": "\\"}


def read(cursor, question):
    """Columns and rows, every value as the server's text: COPY does not convert."""
    cursor.execute(f"{question} LIMIT 0")
    columns = [column.name for column in cursor.description]
    import io

    file = io.StringIO()
    cursor.copy_expert(f"COPY ({question}) TO STDOUT", file)
    rows = []
    for line in file.getvalue().split("\n")[:-1]:
        values = [
            None if value == "\\N" else re.sub(r"\\.", lambda m: ESCAPES[m[0]], value) for value in line.split("\t")
        ]
        rows.append(dict(zip(columns, values)))
    return Copy(columns, rows)
