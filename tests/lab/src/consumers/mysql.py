"""MySQL and MariaDB as ClickPipes reads them: a copy of tables, or their changes as the binlog tells them in rows."""

import random
import socket
import ssl
import uuid

import pymysql
from pymysqlreplication import BinLogStreamReader
from pymysqlreplication.event import HeartbeatLogEvent, RotateEvent
from pymysqlreplication.exceptions import BinLogNotEnabled
from pymysqlreplication.row_event import (
    DeleteRowsEvent,
    PartialUpdateRowsEvent,
    TableMapEvent,
    UpdateRowsEvent,
    WriteRowsEvent,
)

SYNTAX = pymysql.constants.ER.PARSE_ERROR
NO_SUCH_TABLE = pymysql.constants.ER.NO_SUCH_TABLE
TABLE_ACCESS_DENIED = pymysql.constants.ER.TABLEACCESS_DENIED_ERROR

# Chain and name are verified: the library takes the name from `host`, and dials what it is given.
SETTINGS = {
    "host": request["host"],
    "user": request["user"],
    "password": token,
    "ssl": ssl.create_default_context(cafile=request["trust_root"]),
    "read_timeout": 30,
}


def connect(**settings):
    connection = pymysql.connect(**settings, defer_connect=True)
    try:
        dialled = socket.create_connection(("127.0.0.1", request["port"]), 10)
    except OSError as why:
        raise Refused(f"cannot connect: {why}")
    connection.connect(dialled)
    return connection


def identifier(table):
    return ".".join("`{}`".format(part.replace("`", "``")) for part in table.split(".", 1))


def snapshot():
    answer = []
    with connect(**SETTINGS) as connection, connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("START TRANSACTION READ ONLY")
        for table in request["tables"]:
            cursor.execute(f"SELECT * FROM {identifier(table)}")
            columns = [column[0] for column in cursor.description]
            answer.append({"table": table, "columns": columns, "rows": len(cursor.fetchall())})
    return answer


def changes():
    with connect(**SETTINGS) as connection, connection.cursor() as cursor:
        server = Server(cursor)
        for table in request["tables"]:
            cursor.execute(f"SELECT * FROM {identifier(table)} LIMIT 0")
        server.position()
        standby = server.check_replica()
        server.check_columns()
        server.check_reader()
        # What the stream itself shows comes first, then what ClickPipes asks for and the stream need not show.
        tables = follow(server, standby)
        server.check_settings()
        server.check_retention()
        return [table.answer() for table in tables.values()]


class Server:
    def __init__(self, cursor):
        self.cursor = cursor
        text = self.ask("SELECT VERSION()")
        self.mariadb = "MariaDB" in text
        self.version = tuple(int(number) for number in text.split("-")[0].split("."))

    def ask(self, question):
        self.cursor.execute(question)
        row = self.cursor.fetchone()
        return row and row[0]

    def is_at_least(self, mysql, mariadb):
        return self.version >= (mariadb if self.mariadb else mysql)

    def position(self):
        if not self.is_at_least((8, 4, 0), (10, 5, 2)):
            statement = "SHOW MASTER STATUS"
        else:
            statement = "SHOW BINLOG STATUS" if self.mariadb else "SHOW BINARY LOG STATUS"
        self.cursor.execute(statement)
        row = self.cursor.fetchone()
        if not row or not row[0]:
            raise Refused("no binary log position; binary logging may be disabled")
        return row[0], int(row[1])

    def gtids(self):
        """Where the stream begins, by GTID; None where only files and positions do."""
        if self.mariadb:
            return self.ask("SELECT @@GLOBAL.gtid_binlog_pos")
        if self.ask("SELECT @@GLOBAL.gtid_mode") == "ON":
            return self.ask("SELECT @@GLOBAL.gtid_executed").replace("\n", "")
        return None

    def check_replica(self):
        """Says whether this is a replica."""
        try:
            self.cursor.execute("SHOW REPLICA STATUS")
        except pymysql.Error as why:
            if why.args[0] != SYNTAX:
                raise
            self.cursor.execute("SHOW SLAVE STATUS")
        if not self.cursor.fetchone():
            return False
        new = not self.mariadb and self.version >= (8, 0, 26)
        name = "log_replica_updates" if new else "log_slave_updates"
        if not self.ask(f"SELECT @@GLOBAL.{name}"):
            raise Refused(f"{name} must be enabled when replicating from a replica")
        return True

    def check_columns(self):
        if not self.mariadb:
            return
        question = "SELECT COUNT(*) FROM information_schema.COLUMNS WHERE COLUMN_TYPE LIKE '%%COMPRESSED%%'"
        for table in request["tables"]:
            self.cursor.execute(
                f"{question} AND TABLE_SCHEMA = %s AND TABLE_NAME = %s", table.split(".", 1)
            )
            if self.cursor.fetchone()[0]:
                raise Refused(f"{table} has COMPRESSED columns")

    def check_reader(self):
        """Not ClickPipes' limits but ours: the library passes over what is compressed."""
        for name in ("binlog_transaction_compression", "log_bin_compress"):
            self.cursor.execute("SHOW GLOBAL VARIABLES LIKE %s", (name,))
            row = self.cursor.fetchone()
            if row and row[1] == "ON":
                raise NotImplementedError(f"this consumer cannot read a binlog with {name}")

    def check_settings(self):
        wanted = {"binlog_format": "ROW", "binlog_row_image": "FULL"}
        if self.is_at_least((8, 0, 1), (10, 5, 0)):
            wanted["binlog_row_metadata"] = "FULL"
        if not self.mariadb and self.version >= (8, 0, 3):
            wanted["binlog_row_value_options"] = ""
        for name, value in wanted.items():
            found = self.ask(f"SELECT @@{name}")
            if found != value:
                raise Refused(f"{name} must be set to '{value}', currently '{found}'")
        if self.is_at_least((8, 0, 1), (10, 6, 1)):
            seconds = int(self.ask("SELECT @@binlog_expire_logs_seconds"))
            if 0 < seconds < 86400:
                raise Refused(f"binlog_expire_logs_seconds must be 0 or at least 86400, currently {seconds}")

    def check_retention(self):
        question = "SELECT value FROM mysql.rds_configuration WHERE name = 'binlog retention hours'"
        try:
            self.cursor.execute(question)
        except pymysql.Error as why:
            if why.args[0] in (NO_SUCH_TABLE, TABLE_ACCESS_DENIED):
                return
            raise
        row = self.cursor.fetchone()
        if row and (not row[0] or int(row[0]) < 24):
            raise Refused(f"binlog retention hours should be at least 24, currently {row[0] or 'unset'}")


def follow(server, standby):
    position, gtids = server.position(), server.gtids()
    opened = 0

    def connect_once(**settings):
        # One connection for the stream, one beside it. The library would come back for ever to a server that hangs up.
        nonlocal opened
        opened += 1
        if opened > 2:
            raise Refused("the server ended the stream")
        return connect(**settings)

    stream = BinLogStreamReader(
        dict(SETTINGS),
        server_id=random.randrange(1 << 31, 1 << 32),
        pymysql_wrapper=connect_once,
        only_events=[
            DeleteRowsEvent,
            HeartbeatLogEvent,
            PartialUpdateRowsEvent,
            RotateEvent,
            TableMapEvent,
            UpdateRowsEvent,
            WriteRowsEvent,
        ],
        blocking=True,
        resume_stream=True,
        # A server takes 256 bytes of password here at most, and a token is longer.
        report_slave=("pipeprobe-lab", "", "", 0),
        slave_uuid=str(uuid.uuid4()),
        # So that the stream says something at least this often.
        slave_heartbeat=0.1,
        **from_there(server, position, gtids),
    )
    tables = Tables()
    wait = Wait(tables)
    end = None  # not known on a replica, which has its changes from elsewhere
    try:
        # A stream opens with the name of its first file, and only after the server has let us have it.
        stream.fetchone()
        say(state="ready")
        while not wait.is_over(end is not None and (stream.log_file, stream.log_pos) >= end):
            if wait.hear() and not standby:
                end = server.position()
            take(stream.fetchone(), tables)
    finally:
        stream.close()
    return tables


def from_there(server, position, gtids):
    if gtids is not None:
        return {"auto_position": gtids, "is_mariadb": server.mariadb}
    return {"log_file": position[0], "log_pos": position[1]}


def take(event, tables):
    table = tables.get(f"{event.schema}.{event.table}") if hasattr(event, "schema") else None
    if not table:
        return
    if isinstance(event, TableMapEvent):
        # From the event itself, and so only with binlog_row_metadata=FULL.
        table.columns = event.optional_metadata.column_name_list
        if len(table.columns) != event.column_count:
            raise Refused(f"the binlog does not name the columns of {table.name}")
        return
    if isinstance(event, PartialUpdateRowsEvent):
        raise Refused(f"the binlog holds only a part of a value of {table.name}")
    for image in ("columns_present_bitmap", "columns_present_bitmap2"):
        present = getattr(event, image, None)
        if present is not None and not is_full(present, event.number_of_columns):
            raise Refused(f"the binlog holds only a part of a row of {table.name}")
    kinds = (WriteRowsEvent, UpdateRowsEvent, DeleteRowsEvent)
    kind = next(i for i, kind in enumerate(kinds) if isinstance(event, kind))
    table.seen[CHANGES[kind]] += len(event.rows)


def is_full(bitmap, columns):
    return all(bitmap[i // 8] >> i % 8 & 1 for i in range(columns))


def words(error):
    if isinstance(error, BinLogNotEnabled):
        return "binary logging is not enabled"
    code, *text = error.args
    return f"{' '.join(map(str, text))} ({code})"


main(snapshot, changes, (pymysql.Error, BinLogNotEnabled), words)
