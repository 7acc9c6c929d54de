"""A world: a customer's database, a pipe, and what the application does while the pipe runs. It is data, so that it can be made
smaller, written to a case file, and run again."""

import json
import tomllib
from dataclasses import dataclass, field


class Invalid(Exception):
    """The server refuses the world itself: a statement of the setup fails."""


class Unjudged(Exception):
    """A library of the judge cannot read what the server sends, so nothing is known about this world."""


@dataclass
class Pipe:
    # Pairs of schema and table. Empty: the user chooses among all tables.
    tables: list = field(default_factory=list)
    # "" (not chosen yet), "cdc" or "snapshot".
    mode: str = ""
    # PostgreSQL: "" if the pipe creates one.
    publication: str = ""
    # MySQL: "" (the default, GTID) or "file_pos".
    mechanism: str = ""
    # Triples of schema, table and column.
    excluded: list = field(default_factory=list)


@dataclass
class World:
    server: str
    pipe: Pipe
    # Run once, in this order, by the administrator.
    setup: list
    # Transactions of the application, each a list of statements. One that begins with ROLLBACK at its end is rolled back.
    workload: list
    # Server settings for the time of this world: pairs of name and value.
    settings: list = field(default_factory=list)
    # What was chosen: "dimension=option".
    choices: list = field(default_factory=list)

    def size(self):
        return len(self.setup) + sum(map(len, self.workload)) + len(self.settings)


class Chooser:
    """Draws and remembers. An option is a name, or a pair of a name and its weight."""

    def __init__(self, rng):
        self.rng = rng
        self.made = []

    def __call__(self, dimension, *options):
        pairs = [option if isinstance(option, tuple) else (option, 1) for option in options]
        names, weights = zip(*pairs)
        chosen = self.rng.choices(names, weights)[0]
        self.made.append(f"{dimension}={chosen}")
        return chosen


def to_toml(world, problem, known=""):
    """The text of a case file."""
    pipe = world.pipe
    lines = [f"problem = {string(problem)}"]
    if known:
        lines.append(f"known = {string(known)}")
    lines.append(f"server = {string(world.server)}")
    if world.settings:
        lines.append(f"settings = {array(map(array_of_strings, world.settings))}")
    lines += ["", "setup = ["] + [f"  {string(sql)}," for sql in world.setup] + ["]"]
    lines.append("# Each array is a transaction.")
    lines += ["workload = ["]
    lines += [f"  [{', '.join(map(string, transaction))}]," for transaction in world.workload]
    lines += ["]", "", "[pipe]", f"tables = {array(map(array_of_strings, pipe.tables))}"]
    for name in ("mode", "publication", "mechanism"):
        if getattr(pipe, name):
            lines.append(f"{name} = {string(getattr(pipe, name))}")
    if pipe.excluded:
        lines.append(f"excluded = {array(map(array_of_strings, pipe.excluded))}")
    return "\n".join(lines) + "\n"


def from_toml(text):
    """A world, and the known fault that it shows ("" if it must pass)."""
    document = tomllib.loads(text)
    world = World(
        server=document["server"],
        pipe=Pipe(**document["pipe"]),
        setup=document["setup"],
        workload=document["workload"],
        settings=document.get("settings", []),
    )
    return world, document.get("known", "")


def string(text):
    # TOML's escapes are JSON's, but for DEL.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def array(items):
    return f"[{', '.join(items)}]"


def array_of_strings(items):
    return array(map(string, items))
