"""What both consumers share: how the lab is talked to, a line at a time, and what they look for."""

import json
import os
import select
import sys
import time

request = json.loads(sys.stdin.readline())
token = os.environ.pop("PIPEPROBE_LAB_TOKEN")

CHANGES = ("inserts", "updates", "deletes")
# How long a change may take to arrive once it has been made.
LONGEST = 10


class Refused(Exception):
    """Why it is not possible, where no server said so."""


class Table:
    def __init__(self, name):
        self.name = name
        self.columns = None
        self.seen = dict.fromkeys(CHANGES, 0)

    def answer(self):
        return {"table": self.name, "columns": self.columns, **self.seen}


class Tables(dict):
    """The tables asked for, by their names."""

    def __init__(self):
        super().__init__((name, Table(name)) for name in request["tables"])

    def complete(self):
        return all(table.columns and all(table.seen.values()) for table in self.values())

    def missing(self):
        return ", ".join(
            f"{change} of {table.name}"
            for table in self.values()
            for change, count in table.seen.items()
            if not count
        )


class Wait:
    """For the lab to make the changes, and then for them to arrive."""

    def __init__(self, tables):
        self.tables = tables
        self.changed = None

    def hear(self):
        """Whether the lab has just said that the changes are made."""
        if self.changed is not None or not select.select([sys.stdin], [], [], 0)[0]:
            return False
        if sys.stdin.readline().strip() != "changed":
            raise Refused("the lab did not make the changes")
        self.changed = time.monotonic()
        return True

    def is_over(self, reached):
        """Whether all has been seen. `reached`: there is no more to come, for the stream is where the server was after the
        changes."""
        if self.changed is None:
            return False
        if self.tables.complete():
            return True
        if reached or time.monotonic() - self.changed > LONGEST:
            raise Refused(f"the stream did not bring: {self.tables.missing()}")
        return False


def say(**what):
    print(json.dumps(what), flush=True)


def main(snapshot, changes, library_error, words):
    try:
        answer = snapshot() if request["mode"] == "snapshot" else changes()
    except Refused as why:
        say(refused=str(why))
    except library_error as why:
        say(refused=words(why))
    else:
        say(tables=answer)
