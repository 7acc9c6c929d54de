"""Uses connections to one database as a program would, and prints what that takes, as JSON.

Arguments: a task and its parameters; contenders are [name, libpq connection string] on standard input."""

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg2


class Nothing:
    """Where copied rows go."""

    def write(self, data):
        return len(data)


def milliseconds(work):
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


def connect(source):
    connection = psycopg2.connect(source)
    connection.autocommit = True
    return connection


def log_in(source):
    connect(source).close()


def round_of(source, logins, trips, megabytes):
    """What one contender needs, in milliseconds: each login, each round trip, the copy and the result of a SELECT."""
    found = {"login": [milliseconds(lambda: log_in(source)) for _ in range(logins)]}
    connection = connect(source)
    cursor = connection.cursor()
    cursor.execute("select 1")
    found["trip"] = [milliseconds(lambda: cursor.execute("select 1")) for _ in range(trips)]
    rows = f"select repeat('x', 1023) from generate_series(1, {megabytes * 1024})"
    found["copy"] = [milliseconds(lambda: cursor.copy_expert(f"copy ({rows}) to stdout", Nothing()))]

    def select():
        cursor.execute(rows)
        while cursor.fetchmany(10_000):
            pass

    found["select"] = [milliseconds(select)]
    connection.close()
    return found


def compare(rounds, logins, trips, megabytes):
    contenders = json.load(sys.stdin)
    found = {name: {} for name, _ in contenders}
    for number in range(rounds + 1):
        for name, source in contenders:
            result = round_of(source, logins, trips, megabytes)
            if number:  # the first round is a warm-up
                for kind, values in result.items():
                    found[name].setdefault(kind, []).append(values)
    return found


def at_once(count):
    [[_, source]] = json.load(sys.stdin)
    with ThreadPoolExecutor(count) as threads:
        return milliseconds(lambda: list(threads.map(lambda _: log_in(source), range(count))))


def one_by_one(count):
    [[_, source]] = json.load(sys.stdin)
    with ThreadPoolExecutor(4) as threads:
        return milliseconds(lambda: list(threads.map(lambda _: log_in(source), range(count))))


def hold(count):
    """Keeps connections open until standard input has another line."""
    [[_, source]] = json.loads(sys.stdin.readline())
    with ThreadPoolExecutor(16) as threads:
        connections = list(threads.map(lambda _: connect(source), range(count)))
    print(len(connections), flush=True)
    sys.stdin.readline()
    os._exit(0)


task, *numbers = sys.argv[1:]
print(json.dumps({"compare": compare, "at_once": at_once, "one_by_one": one_by_one, "hold": hold}[task](*map(int, numbers))))
