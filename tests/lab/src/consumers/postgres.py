"""PostgreSQL as ClickPipes reads it: a copy of tables, or their changes as pgoutput tells them."""

import struct

import psycopg2
import psycopg2.extras
from psycopg2 import sql


def connect(**more):
    return psycopg2.connect(
        host=request["host"],
        hostaddr="127.0.0.1",
        port=request["port"],
        dbname=request["database"],
        user=request["user"],
        password=token,
        sslmode="verify-full",
        sslrootcert=request["trust_root"],
        gssencmode="disable",
        connect_timeout=10,
        **more,
    )


def identifier(table):
    return sql.Identifier(*table.split(".", 1))


def snapshot():
    answer = []
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        for table in request["tables"]:
            cursor.execute(sql.SQL("SELECT * FROM {}").format(identifier(table)))
            columns = [column.name for column in cursor.description]
            answer.append({"table": table, "columns": columns, "rows": len(cursor.fetchall())})
    return answer


def changes():
    ordinary = connect()
    ordinary.autocommit = True
    if ordinary.server_version < 120000:
        raise Refused("must be PostgreSQL 12 or above")
    replication = connect(connection_factory=psycopg2.extras.LogicalReplicationConnection)
    stream = replication.cursor()
    stream.execute("IDENTIFY_SYSTEM")
    with ordinary.cursor() as cursor:
        standby = check(cursor)
        publication = request["publication"]
        made = None
        if publication is None:
            made = publication = f"pipeprobe_lab_{replication.get_backend_pid()}"
            publish(cursor, made, ordinary.server_version)
        else:
            covers(cursor, publication)
        try:
            return [table.answer() for table in follow(stream, cursor, publication, standby).values()]
        finally:
            if made:
                cursor.execute(sql.SQL("DROP PUBLICATION {}").format(sql.Identifier(made)))


def check(cursor):
    """What ClickPipes asks for and the server itself would let pass. Says whether this is a standby."""
    for table in request["tables"]:
        cursor.execute(sql.SQL("SELECT * FROM {} LIMIT 0").format(identifier(table)))
    if int(ask(cursor, "SHOW max_wal_senders")) < 2:
        raise Refused("max_wal_senders must be at least 2")
    standby = ask(cursor, "SELECT pg_is_in_recovery()")
    if standby and ask(cursor, "SHOW hot_standby_feedback") != "on":
        raise Refused("hot_standby_feedback must be on on a standby")
    return standby


def publish(cursor, publication, version):
    tables = sql.SQL(", ").join(map(identifier, request["tables"]))
    root = "WITH (publish_via_partition_root = true)" if version >= 130000 else ""
    statement = sql.SQL("CREATE PUBLICATION {} FOR TABLE {} " + root)
    cursor.execute(statement.format(sql.Identifier(publication), tables))


def covers(cursor, publication):
    cursor.execute("SELECT puballtables FROM pg_publication WHERE pubname = %s", (publication,))
    row = cursor.fetchone()
    if not row:
        raise Refused(f'publication "{publication}" does not exist')
    if row[0]:
        return
    question = "SELECT schemaname || '.' || tablename FROM pg_publication_tables WHERE pubname = %s"
    cursor.execute(question, (publication,))
    published = {name for (name,) in cursor.fetchall()}
    missing = [table for table in request["tables"] if table not in published]
    if missing:
        raise Refused(f'publication "{publication}" is without {", ".join(missing)}')


def follow(stream, cursor, publication, standby):
    slot = f"pipeprobe_lab_{stream.connection.get_backend_pid()}"
    # On a standby this waits for the primary to tell it which transactions are running; the lab sees to that.
    say(state="slot")
    stream.execute(f"CREATE_REPLICATION_SLOT {slot} TEMPORARY LOGICAL pgoutput NOEXPORT_SNAPSHOT")
    names = '"{}"'.format(publication.replace('"', '""')).replace("'", "''")
    stream.start_replication_expert(
        f"START_REPLICATION SLOT {slot} LOGICAL 0/0 (proto_version '1', publication_names '{names}')"
    )
    tables = Tables()
    relations = {}
    parents = partitions(cursor)
    wait = Wait(tables)
    end = None  # not known on a standby, which has its changes from elsewhere
    say(state="ready")
    while not wait.is_over(end is not None and stream.wal_end >= end):
        if wait.hear() and not standby:
            end = lsn(ask(cursor, "SELECT pg_current_wal_insert_lsn()"))
        message = stream.read_message()
        if message:
            take(message.payload, tables, relations, parents)
            continue
        # The answer says how far the server has read.
        stream.send_feedback(reply=wait.changed is not None)
        select.select([stream, sys.stdin], [], [], 0.1)
    return tables


def partitions(cursor):
    """The partitioned table that each partition is a part of: without publish_via_partition_root they come by their own names."""
    cursor.execute(
        """SELECT i.inhrelid, n.nspname || '.' || c.relname FROM pg_inherits i
             JOIN pg_class c ON c.oid = pg_partition_root(i.inhrelid) JOIN pg_namespace n ON n.oid = c.relnamespace"""
    )
    return dict(cursor.fetchall())


def take(message, tables, relations, parents):
    """One message of pgoutput, protocol version 1."""
    kind = message[:1]
    if kind == b"R":
        relation, names = struct.unpack_from(">I", message, 1)[0], message[5:]
        schema, table, names = names.split(b"\0", 2)
        count = struct.unpack_from(">H", names, 1)[0]
        columns, names = [], names[3:]
        for _ in range(count):
            column, names = names[1:].split(b"\0", 1)
            columns.append(column.decode())
            names = names[8:]
        found = tables.get(f"{schema.decode()}.{table.decode()}") or tables.get(parents.get(relation))
        relations[relation] = found
        if found:
            found.columns = columns
    elif kind in (b"I", b"U", b"D"):
        table = relations[struct.unpack_from(">I", message, 1)[0]]
        if table:
            table.seen[CHANGES[b"IUD".index(kind)]] += 1


def ask(cursor, question):
    cursor.execute(question)
    return cursor.fetchone()[0]


def lsn(text):
    high, low = text.split("/")
    return int(high, 16) << 32 | int(low, 16)


def words(error):
    code = f" ({error.pgcode})" if error.pgcode else ""
    return f"{error}".strip() + code


main(snapshot, changes, psycopg2.Error, words)
