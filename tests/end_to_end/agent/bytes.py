"""Copies rows from the server and to it, and compares their hash with that of the rows."""

import hashlib, itertools

import psycopg2

LINES = 600_000


def lines():
    for number in range(1, LINES + 1):
        yield hashlib.md5(str(number).encode()).hexdigest().encode() * 2 + b"\n"


class Sink:
    def __init__(self):
        self.hash = hashlib.sha256()

    def write(self, data):
        self.hash.update(data)


class Source:
    def __init__(self):
        self.lines, self.rest = lines(), b""

    def read(self, size):
        while len(self.rest) < size:
            more = b"".join(itertools.islice(self.lines, 1000))
            if not more:
                break
            self.rest += more
        data, self.rest = self.rest[:size], self.rest[size:]
        return data


expected = Sink()
for line in lines():
    expected.write(line)
cursor = psycopg2.connect("").cursor()
received = Sink()
rows = f"select repeat(md5(n::text), 2) from generate_series(1, {LINES}) n"
cursor.copy_expert(f"copy ({rows}) to stdout", received)
print("received", received.hash.digest() == expected.hash.digest())
cursor.execute("create temp table sent (position serial, line text)")
cursor.copy_expert("copy sent (line) from stdin", Source())
numbered = rows.replace("select", "select n,", 1)
cursor.execute(
    f"select count(*) from sent full join ({numbered}) as expected (n, line) on position = n"
    " where sent.line is distinct from expected.line"
)
differs = cursor.fetchone()[0]
cursor.execute("select count(*) from sent")
print("sent", differs == 0 and cursor.fetchone()[0] == LINES)
