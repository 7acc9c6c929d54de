"""Uses one session of each kind through the socket, and prints what the server said.

Arguments: a folder for files, the user of the target."""

import os, pymysql, socket, sys
from pymysql.constants import CLIENT, COMMAND
from pymysqlreplication import BinLogStreamReader
from pymysqlreplication.row_event import WriteRowsEvent

folder, user = sys.argv[1:]


def connect(**more):
    return pymysql.connect(read_default_file=os.environ["MYSQL_HOME"] + "/my.cnf", **more)


def rows(connection, query, *values):
    with connection.cursor() as cursor:
        cursor.execute(query, values or None)
        found = [cursor.fetchall()]
        while cursor.nextset():
            found.append(cursor.fetchall())
    return found


def change_user(connection, user, database):
    payload = user.encode() + b"\0\0" + database.encode() + b"\0\x2d\0mysql_native_password\0"
    if connection.client_flag & CLIENT.CONNECT_ATTRS:
        payload += b"\0"
    connection._execute_command(COMMAND.COM_CHANGE_USER, payload)
    return connection._read_packet().is_ok_packet()


def aborted(connection):
    return rows(connection, "show global status like 'Aborted_connects'")[0][0][1]


connection = connect(database="agent", local_infile=True, client_flag=CLIENT.MULTI_STATEMENTS)
print("user", rows(connection, "select current_user()")[0][0][0].split("@")[0])
print("several", rows(connection, "select 1; select 2; select 3"))
size = 17 * 1000 * 1000
print("long request", rows(connection, "select length(%s)", "x" * size)[0][0][0] == size)
print("long response", len(rows(connection, f"select repeat('y', {size})")[0][0][0]) == size)

# More than 256 packets, each of which starts with the number of COM_CHANGE_USER.
path = os.path.join(folder, "lines")
with open(path, "w") as file:
    file.write(("\x11" * 15 + "\n") * 300_000)
rows(connection, f"load data local infile '{path}' into table agent.lines character set binary (line)")
connection.commit()
print("local file", rows(connection, "select count(*), min(length(line)) from agent.lines")[0][0])

number = rows(connection, "select connection_id()")[0][0][0]
rows(connection, "set @before = 1")
for database in ("app", "agent"):
    print("changed", change_user(connection, user, database), end=" ")
    print(rows(connection, "select database(), @before, current_user() like %s", user + "@%")[0][0])
rows(connection, "set @before = 1")
connection._execute_command(0x1F, b"")  # COM_RESET_CONNECTION
print("reset", connection._read_packet().is_ok_packet(), rows(connection, "select @before")[0][0][0])
print("same connection", rows(connection, "select connection_id()")[0][0][0] == number)
try:
    change_user(connection, "root", "app")
except pymysql.Error as why:
    print("other user", *why.args)
try:
    connect(user="root")
except pymysql.Error as why:
    print("root", *why.args)
try:
    change_user(connect(), user, "nowhere")
except pymysql.Error as why:
    print("nowhere", why.args[0] in (1044, 1049))

print("with a password", rows(connect(password="secret"), "select 1"))

connection = connect()
before = aborted(connection)
for sent in (b"", b"", b"\x02\0\0\x01ab"):
    client = socket.socket(socket.AF_UNIX)
    client.connect(os.environ["MYSQL_UNIX_PORT"])
    client.recv(4096)
    client.sendall(sent)
    if sent:
        print("not a response", client.recv(4096)[4:])
    client.close()
rows(connection, "select sleep(3)")
print("aborted", int(aborted(connection)) - int(before))

try:
    position = rows(connection, "show binary log status")[0][0]
except pymysql.Error:
    position = rows(connection, "show master status")[0][0]
rows(connection, "insert into agent.lines values ('streamed')")
connection.commit()
stream = BinLogStreamReader(
    connection_settings={"read_default_file": os.environ["MYSQL_HOME"] + "/my.cnf"},
    server_id=4242,
    log_file=position[0],
    log_pos=position[1],
    resume_stream=True,
    only_events=[WriteRowsEvent],
)
print("binary log", [row["values"]["line"] for event in stream for row in event.rows])
stream.close()
