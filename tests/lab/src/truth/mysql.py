"""MySQL and MariaDB: builds a world, replicates it as ClickPipes does, and compares the copy.

The order and the rules are those of ClickPipes' engine. What it does not do is not done here either.
"""

import contextlib
import ipaddress
import json
import random
import re
import socket
import ssl
import struct
import uuid
import zlib
from datetime import timedelta
from decimal import Decimal

import pymysql
import zstandard
from pymysql.protocol import MysqlPacket
from pymysqlreplication import BinLogStreamReader
from pymysqlreplication.event import QueryEvent
from pymysqlreplication.row_event import DeleteRowsEvent, PartialUpdateRowsEvent, UpdateRowsEvent, WriteRowsEvent

from judge import Loss, Outcome, Sorted, compare, last_of_each_key, without_a_key
from login import USER
from world import CONNECTIONS, Invalid, Unjudged

SYSTEM = ("mysql", "sys", "information_schema", "performance_schema")
KEPT_USERS = ("root", "mysql.sys", "mysql.session", "mysql.infoschema", "mariadb.sys", "PUBLIC", "mysql", "")
BASE = "CREATE DATABASE app"
# Of the XA transactions of a world.
XID = "'truth'"


class Refused(Exception):
    """A rule of ClickPipes' engine that no server enforces."""


def words(error):
    if isinstance(error, pymysql.Error):
        code, *text = error.args if error.args else (0, str(error))
        return f"{' '.join(map(str, text))} ({code})"
    return str(error)


def quoted(*names):
    return ".".join("`{}`".format(name.replace("`", "``")) for name in names)


class Mysql:
    def __init__(self, request, login):
        self.request, self.login = request, login
        self.mariadb = request["engine"] == "mariadb"
        self.place, self.primary = request["place"], request.get("primary") or request["place"]
        self.is_replica = self.primary is not self.place
        self.root = self.superuser()
        # Where the pipe connects: the server itself, or a replica of it.
        self.endpoint = self.superuser(self.place)
        text = self.one("SELECT VERSION()")
        self.numbers = tuple(int(number) for number in text.split("-")[0].split("."))
        self.version = self.numbers
        self.tls = ssl.create_default_context(cafile=login.trust_root)

    def close(self):
        self.root.close()
        self.endpoint.close()

    def superuser(self, place=None):
        return pymysql.connect(
            unix_socket=(place or self.primary)["socket"], user="root", autocommit=True, charset="utf8mb4", init_command="SET time_zone='+00:00'"
        )

    def rows(self, question, values=None, connection=None):
        with (connection or self.root).cursor() as cursor:
            cursor.execute(question, values)
            return cursor.fetchall()

    def one(self, question, values=None, connection=None):
        rows = self.rows(question, values, connection)
        return rows and rows[0][0]

    def clean(self):
        with self.root.cursor() as cursor:
            # A prepared transaction keeps its locks.
            with contextlib.suppress(pymysql.Error):
                cursor.execute(f"XA ROLLBACK {XID}")
            cursor.execute("SHOW DATABASES")
            for (name,) in cursor.fetchall():
                if name not in SYSTEM:
                    cursor.execute(f"DROP DATABASE {quoted(name)}")
            cursor.execute("SELECT user, host FROM mysql.user")
            for user, host in cursor.fetchall():
                is_kept = user in KEPT_USERS and host != "127.0.0.1"
                if not is_kept and not user.startswith("rdsrepladmin"):
                    kind = "ROLE" if self.mariadb and not host else "USER"
                    cursor.execute(f"DROP {kind} %s" + ("" if kind == "ROLE" else "@%s"), (user,) if kind == "ROLE" else (user, host))
            cursor.execute(BASE)

    def run(self, world, check, forgiving=False):
        """The verdict that `check` gives before the workload, and what happened. `forgiving`: a statement of the setup that the
        server refuses is left out of the world, else it is invalid."""
        self.clean()
        before = []
        admin = None
        try:
            for name, value in list(world.settings):
                try:
                    old = self.one(f"SELECT @@GLOBAL.{name}", None, self.endpoint)
                    self.set(name, value)
                    before.insert(0, (name, old))
                except pymysql.Error as why:
                    if not forgiving:
                        raise Invalid(f"{name} = {value}: {words(why)}")
                    world.settings.remove([name, value])
            # A session has the settings of its start.
            admin = self.superuser()
            with admin.cursor() as cursor:
                cursor.execute("USE app")
                for statement in list(world.setup):
                    try:
                        if statement.startswith("XA "):
                            self.xa(statement.split(";\n"))
                        else:
                            cursor.execute(statement)
                    except pymysql.Error as why:
                        if not forgiving:
                            raise Invalid(f"{statement}: {words(why)}")
                        world.setup.remove(statement)
            self.catch_up()
            verdict = check(world.pipe)
            return verdict, Run(self, world, admin).outcome()
        finally:
            if admin:
                admin.close()
            for name, value in before:
                self.set(name, value)

    def set(self, name, value):
        number = re.fullmatch(r"-?\d+", str(value))
        with self.endpoint.cursor() as cursor:
            cursor.execute(f"SET GLOBAL {name} = %s", (int(value) if number else value,))

    def xa(self, statements):
        """In a session of its own: MariaDB's can do nothing else between XA PREPARE and the end of the transaction."""
        session = self.superuser()
        try:
            with session.cursor() as cursor:
                cursor.execute("USE app")
                for statement in statements:
                    cursor.execute(statement)
        finally:
            session.close()

    def catch_up(self):
        """Waits until the replica has everything."""
        if not self.is_replica:
            return
        position, wait = "SELECT @@GLOBAL.gtid_executed", "SELECT WAIT_FOR_EXECUTED_GTID_SET(%s, 10)"
        if self.mariadb:
            position, wait = "SELECT @@GLOBAL.gtid_binlog_pos", "SELECT MASTER_GTID_WAIT(%s, 10)"
        if self.one(wait, (self.one(position),), self.endpoint) != 0:
            raise RuntimeError("the replica does not follow")

    def connect(self, wrapper=pymysql.Connection, **more):
        connection = wrapper(
            host=self.login.host,
            user=USER,
            password=self.login.token(),
            ssl=self.tls,
            charset="utf8mb4",
            read_timeout=30,
            defer_connect=True,
            # An open transaction would keep the application from altering a table.
            **{"autocommit": True, **more},
        )
        connection.connect(socket.create_connection(("127.0.0.1", self.login.port), 10))
        return connection


class Copy:
    def __init__(self, columns, key, types, rows):
        self.columns, self.key, self.types, self.rows = columns, key, types, rows
        self.sorted = None
        self.first_columns = list(columns)


class Run:
    """One pipe."""

    def __init__(self, mysql, world, admin):
        self.mysql, self.world, self.admin = mysql, world, admin
        self.pipe = world.pipe
        self.result = Outcome()
        self.copies = {}
        self.cascades = False

    def ask(self, question, values=None):
        with self.admin.cursor() as cursor:
            cursor.execute(question, values)
            return cursor.fetchall()

    def outcome(self):
        self.tables = [tuple(table) for table in self.pipe.tables] or self.all_tables()
        connections = []
        try:
            self.pipeline(connections)
        finally:
            for connection in connections:
                connection.close()
        return self.result

    def all_tables(self):
        marks = ", ".join(["%s"] * len(SYSTEM))
        return self.ask(
            f"SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema NOT IN ({marks})"
            " AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY 1, 2",
            SYSTEM,
        )

    def pipeline(self, connections):
        try:
            connection = self.mysql.connect()
            connections.append(connection)
            cursor = connection.cursor()
            cursor.execute("SET SESSION time_zone = '+00:00'")
            self.check_tables(cursor)
        except (pymysql.Error, Refused) as why:
            self.result.load_error = words(why)
            return
        start = None
        if self.pipe.mode != "snapshot":
            try:
                start = self.check_changes(cursor)
            except (pymysql.Error, Refused) as why:
                self.result.cdc_error = words(why)
        try:
            for table in self.tables:
                copy = self.copies[table] = self.read(cursor, table)
                if sorting := self.pipe.sorting_of(table):
                    copy.sorted = Sorted(copy.rows, sorting, copy.key)
                    copy.rows, copy.key = copy.sorted.rows, sorting
        except pymysql.Error as why:
            self.result.load_error = words(why)
            return
        if start is None:
            for table, copy in self.copies.items():
                if copy.sorted and copy.sorted.cause():
                    self.result.losses.append(Loss(".".join(table), copy.sorted.cause()))
            return
        self.work()
        self.mysql.catch_up()
        try:
            if self.world.limits_connections():
                for _ in range(CONNECTIONS - 1 - len(connections)):
                    connections.append(self.mysql.connect())
            self.follow(start)
        except (pymysql.Error, Refused) as why:
            self.result.cdc_error = words(why)
            return
        self.compare()

    # Validation

    def check_tables(self, cursor):
        if self.pipe.type and self.pipe.type.endswith("mariadb") != self.mysql.mariadb:
            raise Refused(f"the server is not what the pipe is for: {self.pipe.type}")
        usable = []
        for schema, table in self.tables:
            try:
                if "." in table or "." in schema:
                    raise Refused(f"invalid table name {schema}.{table}")
                cursor.execute(f"SELECT * FROM {quoted(schema, table)} LIMIT 0")
                if not self.key_of((schema, table)) and not self.pipe.sorting_of((schema, table)):
                    raise Refused(without_a_key(schema, table))
                usable.append((schema, table))
            except (pymysql.Error, Refused) as why:
                if self.pipe.tables:
                    raise
                # The server does not show a table without any privilege on it, so no report can name it.
                cursor.execute(
                    "SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s", (schema, table)
                )
                if cursor.fetchone():
                    self.result.unusable[f"{schema}.{table}"] = words(why)
        if not usable:
            raise Refused("no table can be read")
        self.tables = usable

    def check_changes(self, cursor):
        """Where the stream begins."""

        def one(question, values=None):
            cursor.execute(question, values)
            row = cursor.fetchone()
            return row and row[0]

        mariadb, version = self.mysql.mariadb, self.mysql.numbers
        gtid = None
        if mariadb:
            gtid = one("SELECT @@gtid_binlog_pos")
        elif self.pipe.mechanism != "file_pos":
            mode = one("SELECT @@gtid_mode")
            if mode != "ON":
                raise Refused(f"gtid mode is not enabled: {mode}")
            gtid = one("SELECT @@GLOBAL.gtid_executed").replace("\n", "")
        position = self.position(cursor)
        try:
            cursor.execute("SHOW REPLICA STATUS")
        except pymysql.err.ProgrammingError:
            cursor.execute("SHOW SLAVE STATUS")
        replica = cursor.fetchone()
        if replica:
            name = "log_slave_updates" if mariadb else "log_replica_updates"
            if not one(f"SELECT @@GLOBAL.{name}"):
                raise Refused(f"{name} must be enabled when replicating from a replica")
        self.retention(cursor)
        if mariadb:
            for schema, table in self.tables:
                compressed = one(
                    "SELECT COUNT(*) FROM information_schema.columns WHERE column_type LIKE '%%COMPRESSED%%'"
                    " AND table_schema = %s AND table_name = %s",
                    (schema, table),
                )
                if compressed:
                    self.load_only((schema, table), "has COMPRESSED columns")
        wanted = {"binlog_format": "ROW", "binlog_row_image": "FULL", "binlog_row_metadata": "FULL"}
        if not mariadb:
            wanted["binlog_row_value_options"] = ""
        for name, value in wanted.items():
            found = one(f"SELECT @@{name}")
            if found != value:
                raise Refused(f"{name} must be set to '{value}'")
        if version >= ((10, 6, 1) if mariadb else (8, 0, 1)):
            seconds = int(one("SELECT @@binlog_expire_logs_seconds"))
            if 0 < seconds < 86400:
                raise Refused("binlog_expire_logs_seconds must be 0 or at least a day")
        return position, gtid

    def load_only(self, table, why):
        if self.pipe.tables:
            raise Refused(f"{'.'.join(table)}: {why}")
        self.result.load_only[".".join(table)] = why
        self.tables.remove(table)
        if not self.tables:
            raise Refused(f"no table can be followed: {why}")

    def position(self, cursor):
        new = self.mysql.numbers >= ((10, 5, 2) if self.mysql.mariadb else (8, 4, 0))
        statement = "SHOW MASTER STATUS"
        if new:
            statement = "SHOW BINLOG STATUS" if self.mysql.mariadb else "SHOW BINARY LOG STATUS"
        cursor.execute(statement)
        row = cursor.fetchone()
        if not row or not row[0]:
            raise Refused("no binary log position")
        return row[0], int(row[1])

    @staticmethod
    def retention(cursor):
        try:
            cursor.execute("SELECT value FROM mysql.rds_configuration WHERE name = 'binlog retention hours'")
        except pymysql.Error as why:
            if why.args[0] in (1142, 1146):
                return
            raise
        row = cursor.fetchone()
        if row and (not row[0] or int(row[0]) < 24):
            raise Refused("binlog retention hours should be at least a day")

    # The copy

    def described(self, table):
        """Columns in order with their types, the key, and what is generated or hidden."""
        return self.ask(
            "SELECT column_name, data_type, column_type, column_key, extra FROM information_schema.columns"
            " WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position",
            table,
        )

    def key_of(self, table):
        """As the engine reads it, without the columns that the pipe leaves out."""
        excluded = self.pipe.excluded_of(table)
        return [name for name, _, _, key, _ in self.described(table) if key == "PRI" and name not in excluded]

    def read(self, cursor, table):
        excluded = self.pipe.excluded_of(table)
        columns = [column for column in self.described(table) if column[0] not in excluded]
        names = [name for name, *_ in columns]
        types = {name: (kind, full) for name, kind, full, *_ in columns}
        key = [name for name, _, _, key, _ in columns if key == "PRI"]
        # Hidden columns are not in *, and ClickPipes has them.
        cursor.execute(f"SELECT {', '.join(map(quoted, names))} FROM {quoted(*table)}")
        rows = [
            {name: normal(types[name], value) for name, value in zip(names, row)} for row in cursor.fetchall()
        ]
        return Copy(list(names), key, types, rows)

    def work(self):
        with self.admin.cursor() as cursor:
            # A prepared transaction can hold a lock until the end of the workload.
            cursor.execute("SET lock_wait_timeout = 1, innodb_lock_wait_timeout = 1")
            for transaction in self.world.workload:
                if transaction[0].startswith("XA "):
                    with contextlib.suppress(pymysql.Error):
                        self.mysql.xa(transaction)
                    continue
                try:
                    cursor.execute("BEGIN")
                    for statement in transaction:
                        cursor.execute(statement)
                    cursor.execute("COMMIT")
                except pymysql.Error:
                    # A constraint of the application's own; nothing that a pipe sets up makes a statement fail.
                    cursor.execute("ROLLBACK")

    # The changes

    def follow(self, start):
        (file, position), gtid = start
        first = {"log_file": file, "log_pos": position}
        if gtid:
            first = {"auto_position": gtid, "is_mariadb": self.mysql.mariadb}
        opened = []

        def connect(**settings):
            if len(opened) > 1:
                raise Refused("the server ended the stream")
            # The library's second connection asks for the variables of the server only.
            wrapper = pymysql.Connection if opened else EventConnection
            allowed = {name: settings[name] for name in ("cursorclass", "autocommit", "db") if name in settings}
            opened.append(self.mysql.connect(wrapper, **allowed))
            return opened[-1]

        stream = BinLogStreamReader(
            {"host": self.mysql.login.host},
            server_id=random.randrange(1 << 31, 1 << 32),
            pymysql_wrapper=connect,
            only_events=[DeleteRowsEvent, UpdateRowsEvent, WriteRowsEvent, PartialUpdateRowsEvent, QueryEvent],
            # To the end of the log, which has everything: the workload is over.
            blocking=False,
            resume_stream=True,
            report_slave=("pipeprobe-truth", "", "", 0),
            slave_uuid=str(uuid.uuid4()),
            enable_logging=False,
            **first,
        )
        try:
            while (event := stream.fetchone()) is not None:
                self.take(event)
        except (UnicodeDecodeError, struct.error, AssertionError, ValueError) as why:
            # Columns with COMPRESSED (MariaDB) are unknown to the library, also those of tables that are not in the pipe.
            kind = Unjudged if any("COMPRESSED" in statement for statement in self.world.setup) else RuntimeError
            raise kind(f"the library cannot read the log: {why}") from why
        finally:
            stream.close()

    def take(self, event):
        if isinstance(event, QueryEvent):
            self.query(event)
            return
        key = (event.schema, event.table)
        copy = self.copies.get(key)
        if not copy:
            return
        if isinstance(event, PartialUpdateRowsEvent):
            raise Refused("the binlog holds only a part of a value")
        for row in event.rows:
            if copy.sorted and isinstance(event, WriteRowsEvent):
                copy.sorted.insert(self.values(copy, key, row["values"]))
            elif copy.sorted and isinstance(event, DeleteRowsEvent):
                copy.sorted.delete(self.values(copy, key, row["values"]), copy.key)
            elif copy.sorted:
                before = self.values(copy, key, row["before_values"])
                copy.sorted.update(copy.sorted.find(before, copy.key), self.values(copy, key, row["after_values"]))
            elif isinstance(event, WriteRowsEvent):
                self.put(copy, key, row["values"])
            elif isinstance(event, DeleteRowsEvent):
                self.remove(copy, self.values(copy, key, row["values"]))
            else:
                self.remove(copy, self.values(copy, key, row["before_values"]))
                self.put(copy, key, row["after_values"])

    def values(self, copy, key, row):
        excluded = self.pipe.excluded_of(key)
        row = {name: value for name, value in row.items() if name not in excluded}
        unknown = [name for name in row if name not in copy.types]
        if unknown:
            for name, kind, full, *_ in self.described(key):
                if name in unknown:
                    copy.types[name] = (kind, full)
            copy.columns += [name for name in unknown if name not in copy.columns]
        of = lambda name: copy.types.get(name, ("", ""))
        return {name: normal(of(name), as_text(of(name), value)) for name, value in row.items()}

    def put(self, copy, key, row):
        new = self.values(copy, key, row)
        if copy.key:
            # A row replaces the one with its key.
            self.remove(copy, new)
        copy.rows.append(new)

    @staticmethod
    def remove(copy, row):
        names = copy.key or [name for name in copy.columns if name in row]
        for index, other in enumerate(copy.rows):
            if all(other.get(name) == row.get(name) for name in names):
                del copy.rows[index]
                return

    def query(self, event):
        """TRUNCATE is a statement in every format of the log."""
        text = event.query if isinstance(event.query, str) else event.query.decode(errors="replace")
        if not re.match(r"\s*TRUNCATE\b", text, re.IGNORECASE):
            return
        for table, copy in self.copies.items():
            if text.rstrip("; ").endswith(quoted(*table)) or text.rstrip("; ").endswith(f" {quoted(table[1])}"):
                copy.rows.clear()

    # The comparison

    def compare(self):
        triggers = self.ask("SELECT event_object_schema, event_object_table, action_statement FROM information_schema.triggers")
        for table in self.tables:
            with self.admin.cursor() as cursor:
                source = self.read(cursor, table)
            copy = self.copies[table]
            lacks_key_columns = any(name in self.pipe.excluded_of(table) for name, _, _, key, _ in self.described(table) if key == "PRI")
            if lacks_key_columns and not copy.sorted:
                copy.rows = last_of_each_key(copy.rows, copy.key)
            extras = {name: extra for name, _, _, _, extra in self.described(table)}
            cascades = self.ask(
                "SELECT COUNT(*) FROM information_schema.referential_constraints WHERE constraint_schema = %s AND table_name = %s"
                " AND (delete_rule IN ('CASCADE', 'SET NULL', 'SET DEFAULT') OR update_rule IN ('CASCADE', 'SET NULL'))",
                table,
            )[0][0]

            [(kind, engine)] = self.ask(
                "SELECT table_type, engine FROM information_schema.tables WHERE table_schema = %s AND table_name = %s", table
            )
            stored = (engine or "").upper() not in ("BLACKHOLE", "FEDERATED", "MRG_MYISAM", "SPIDER", "CONNECT")

            # An XA transaction can also write a table by the trigger of another one.
            names = [quoted(*table)] + [quoted(*of) for *of, action in triggers if quoted(*table) in action]

            def named(statements, word, names=names):
                return any(word in s for s in statements) and any(name in s for name in names for s in statements)

            rolled_back = any(named(transaction, "XA ROLLBACK") for transaction in self.world.workload)
            prepared = any(named([statement], "XA PREPARE") for statement in self.world.setup)

            def cause(kind, what, is_versioned=kind == "SYSTEM VERSIONED", stored=stored, lacks_key_columns=lacks_key_columns, sorted_by=copy.sorted, xa=(rolled_back, prepared)):
                if not stored:
                    return "rows not stored"
                if is_versioned:
                    return "system versioning"
                if kind != "rows":
                    extra = extras.get(what, "").upper()
                    if "GENERATED" in extra:
                        return "generated column"
                    if "INVISIBLE" in extra:
                        return "hidden column"
                if sorted_by and sorted_by.cause():
                    return sorted_by.cause()
                if lacks_key_columns:
                    return "key column excluded"
                if cascades:
                    return "cascade not in the log"
                if kind != "rows":
                    return "values differ"
                if any(xa):
                    return "XA ROLLBACK" if xa[0] else "XA PREPARE before the start"
                # Without a key a row is found by all its values, and MariaDB does not log those of generated columns.
                generated = any("GENERATED" in extra.upper() for extra in extras.values())
                return "generated column" if generated and self.mysql.mariadb and not copy.key else "rows differ"

            self.result.losses += compare(
                ".".join(table),
                (source.columns, source.rows),
                (copy.columns, copy.rows),
                cause,
                copy.key,
                copy.first_columns,
            )


class EventConnection(pymysql.Connection):
    """A connection for a binlog stream that unpacks compressed events into ordinary ones."""

    waiting = None
    checksum = 0

    def query(self, sql, unbuffered=False):
        if "@master_binlog_checksum" in sql:
            self.checksum = 4
        return super().query(sql, unbuffered)

    def _read_packet(self, packet_type=MysqlPacket):
        if self.waiting:
            return MysqlPacket(self.waiting.pop(0), self.encoding)
        packet = super()._read_packet(packet_type)
        data = packet._data
        if len(data) > 20 and data[0] == 0 and data[5] in UNPACK:
            header, body = data[1:20], data[20 : len(data) - self.checksum]
            self.waiting = [self.event(*event) for event in UNPACK[data[5]](header, body)]
            return self._read_packet(packet_type)
        return packet

    def event(self, header, body):
        """An event with the checksum that the library expects; it does not verify it."""
        size = len(header) + len(body) + self.checksum
        return b"\0" + header[:9] + struct.pack("<I", size) + header[13:] + body + b"\0" * self.checksum


def typed(header, kind):
    return header[:4] + bytes([kind]) + header[5:]


def payload(_, body):
    """MySQL's Transaction_payload_event: fields, then events without checksums, compressed with zstd."""
    at, compression = 0, 0
    while True:
        field, at = packed(body, at)
        if field == 0:
            break
        length, at = packed(body, at)
        if field == 2:
            compression = packed(body, at)[0]
        at += length
    data = body[at:]
    if compression == 0:
        data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
    while data:
        (size,) = struct.unpack_from("<I", data, 9)
        yield data[:19], data[19:size]
        data = data[size:]


def rows_of_mariadb(kind, bitmaps):
    """MariaDB's compressed rows event: as the ordinary one up to the rows."""

    def unpack(header, body):
        width, at = packed(body, 8)
        at += bitmaps * ((width + 7) // 8)
        yield typed(header, kind), body[:at] + inflate(body[at:])

    return unpack


def query_of_mariadb(header, body):
    database, status = body[8], struct.unpack_from("<H", body, 11)[0]
    at = 13 + status + database + 1
    yield typed(header, 2), body[:at] + inflate(body[at:])


def inflate(data):
    """A byte with the length of the length, the length, and zlib."""
    return zlib.decompress(data[1 + (data[0] & 7) :])


def packed(data, at):
    first = data[at]
    if first < 251:
        return first, at + 1
    size = {252: 2, 253: 3, 254: 8}[first]
    return int.from_bytes(data[at + 1 : at + 1 + size], "little"), at + 1 + size


UNPACK = {
    40: payload,
    165: query_of_mariadb,
    166: rows_of_mariadb(23, 1),
    167: rows_of_mariadb(24, 2),
    168: rows_of_mariadb(25, 1),
}


def normal(column, value):
    """One form for a value, from a result set or from the log."""
    kind, full = column
    if kind == "set" and not value:
        # The library reads no member as NULL.
        return ""
    if value is None:
        return None
    if kind == "bit":
        return int(value, 2) if isinstance(value, str) else int.from_bytes(value, "big")
    if kind == "set":
        members = value if isinstance(value, (set, frozenset)) else set(filter(None, value.split(",")))
        return ",".join(sorted(text(member) for member in members))
    if kind in ("inet4", "inet6"):
        return ipaddress.ip_address(text(value))
    if kind == "json":
        value = json.loads(value) if isinstance(value, str) else plain(value)
        return json.dumps(value, sort_keys=True)
    if kind == "float":
        return struct.pack("<f", float(value))
    if kind == "double":
        return float(value)
    if kind in ("binary", "varbinary"):
        value = value.encode("latin1") if isinstance(value, str) else bytes(value)
        # The log leaves out the zeros at the end of BINARY.
        return value.rstrip(b"\0") if kind == "binary" else value
    if kind == "char":
        return text(value).rstrip(" ")
    if kind == "decimal":
        return Decimal(value).normalize() + 0
    if "blob" in kind and isinstance(value, str):
        # The library reads an empty value as text.
        return value.encode("latin1")
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, (bytes, bytearray)):
        return bytes(value) if "blob" in kind or kind == "geometry" or kind == "point" else text(value)
    return value


def as_text(column, value):
    """What MariaDB's log has as BINARY, as the server writes it."""
    kind = column[0]
    if kind not in ("uuid", "inet4", "inet6") or value is None:
        return value
    data = value.encode("latin1") if isinstance(value, str) else bytes(value)
    # The library leaves out the zeros at the end of BINARY.
    data = data.ljust(4 if kind == "inet4" else 16, b"\0")
    if kind == "uuid":
        return str(uuid.UUID(bytes=data))
    return str(ipaddress.ip_address(data))


def plain(value):
    if isinstance(value, dict):
        return {text(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (bytes, bytearray)):
        return text(value)
    if isinstance(value, Decimal):
        return float(value)
    return value


def text(value):
    return value.decode("utf-8", "replace") if isinstance(value, (bytes, bytearray)) else str(value)
