"""A world: a customer's database, a pipe, and what the application does while the pipe runs. It is data, so that it can be made
smaller, written to a case file, and run again."""

import json
import random
import tomllib
from dataclasses import dataclass, field


# What a pipe opens with default settings: 4 connections for the copy of a large table, 1 for the changes.
CONNECTIONS = 5


class Invalid(Exception):
    """The server refuses the world itself: a statement of the setup fails."""


class Unjudged(Exception):
    """A library of the judge cannot read what the server sends, so nothing is known about this world."""


@dataclass
class Pipe:
    # "": the type of the server. A user can choose another one.
    type: str = ""
    # Pairs of schema and table. Empty: the user chooses among all tables.
    tables: list = field(default_factory=list)
    # "" (not chosen yet), "cdc", "snapshot" or "cdc_only".
    mode: str = ""
    # PostgreSQL: the slot of a pipe that does not copy ("cdc_only").
    slot: str = ""
    # PostgreSQL: "" if the pipe creates one.
    publication: str = ""
    # MySQL: "" (the default, GTID) or "file_pos".
    mechanism: str = ""
    # Triples of schema, table and column.
    excluded: list = field(default_factory=list)
    # The same: the sorting keys in ClickHouse, of tables that have other ones than their primary keys.
    sorting: list = field(default_factory=list)

    def excluded_of(self, table):
        return {column for schema, name, column in self.excluded if (schema, name) == tuple(table)}

    def sorting_of(self, table):
        return [column for schema, name, column in self.sorting if (schema, name) == tuple(table)]


@dataclass
class World:
    server: str
    pipe: Pipe
    # Run once, in this order, by the administrator.
    setup: list
    # Transactions of the application, each a list of statements. One that begins with ROLLBACK at its end is rolled back.
    workload: list
    # Settings for the time of this world of the server that the pipe connects to: pairs of name and value.
    settings: list = field(default_factory=list)
    # Settings that the server must start with.
    start: list = field(default_factory=list)
    # The same for a standby, which the pipe then connects to; None if it connects to the server itself.
    standby: list | None = None
    # The pipe is paused during the workload.
    paused: bool = False
    # What was chosen: "dimension=option".
    choices: list = field(default_factory=list)

    def limits_connections(self):
        statements = [*self.setup, *(name for name, _ in self.settings)]
        return any("CONNECTION LIMIT" in s or "USER_CONNECTIONS" in s.upper() for s in statements)

    def arrangement(self):
        """What the servers must be started with."""
        return {"start": self.start, "standby": self.standby}


class Chooser:
    """Draws and remembers. An option is a name, or a pair of a name and its weight.

    A wild world takes any option. A calm one takes the usual option of every dimension that has one (more than half of the
    weight), but for those in `odd`, a dict of dimensions and options."""

    def __init__(self, rng, odd=None):
        self.rng, self.odd = rng, odd
        self.made = []
        # Dimensions that have a usual option, and their other options.
        self.oddities = {}

    def __call__(self, dimension, *options):
        pairs = [option if isinstance(option, tuple) else (option, 1) for option in options]
        pairs = [(name, weight) for name, weight in pairs if weight]
        names, weights = zip(*pairs)
        usual = next((name for name, weight in pairs if weight * 2 > sum(weights)), None)
        if usual is not None and dimension not in self.oddities:
            self.oddities[dimension] = [name for name in names if name != usual]
            is_first = True
        else:
            is_first = False
        if self.odd is None or usual is None:
            chosen = self.rng.choices(names, weights)[0]
        elif is_first and self.odd.get(dimension) in names:
            chosen = self.odd[dimension]
        else:
            chosen = usual
        self.made.append(f"{dimension}={chosen}")
        return chosen


class Worlds:
    """The worlds of a seed and a server: every second one is calm with one odd choice. The odd choices take turns, so that each
    occurs soon, and alone."""

    def __init__(self, generate, seed, server):
        self.generate, self.seed, self.server = generate, seed, server
        self.odd = self.odd_choices()
        random.Random(f"{seed} {server}").shuffle(self.odd)

    def world(self, number):
        odd = self.odd[number // 2 % len(self.odd)] if number % 2 else None
        return self.generate(Chooser(random.Random(f"{self.seed} {self.server} {number}"), odd))

    def odd_choices(self):
        """Each odd option by itself, and with another one those that exist only then."""
        usual = self.oddities({})
        found = []
        for dimension, options in usual.items():
            for option in options:
                found.append({dimension: option})
                for other, more in self.oddities(found[-1]).items():
                    if other not in usual:
                        found += [{dimension: option, other: one} for one in more]
        return found

    def oddities(self, odd):
        found = {}
        for number in range(8):
            choose = Chooser(random.Random(number), odd)
            self.generate(choose)
            found |= choose.oddities
        return found


def sorting_keys(choose, table, others, excluded):
    """Chooses the sorting key of a table. `others`: columns that can be in it beside the key."""
    options = ("none", 90), ("the key and another", 4), ("the key", 2), ("another", 2), ("all", 2)
    if not table.has_key():
        options = ("none", 5), ("all", 3), ("another", 1), ("the key", 1)
    how = choose("sorting keys" if table.has_key() else "sorting keys of a table without key", *options)
    if how == "none" or not others or [table.schema, table.name, "id"] in excluded or table.columns[0].name != "id":
        return []
    some = {"the key and another": others[:1], "another": others[:1], "all": others, "the key": []}[how]
    table.sorting = [c.name for c in some] + ["id"] * (how != "another")
    return [[table.schema, table.name, name] for name in table.sorting]


def to_toml(world, problem, known=""):
    """The text of a case file."""
    pipe = world.pipe
    lines = [f"problem = {string(problem)}"]
    if known:
        lines.append(f"known = {string(known)}")
    lines.append(f"server = {string(world.server)}")
    for name in ("settings", "start"):
        if getattr(world, name):
            lines.append(f"{name} = {array(map(array_of_strings, getattr(world, name)))}")
    if world.standby is not None:
        lines.append(f"standby = {array(map(array_of_strings, world.standby))}")
    if world.paused:
        lines.append("paused = true")
    lines += ["", "setup = ["] + [f"  {string(sql)}," for sql in world.setup] + ["]"]
    lines.append("# Each array is a transaction.")
    lines += ["workload = ["]
    lines += [f"  [{', '.join(map(string, transaction))}]," for transaction in world.workload]
    lines += ["]", "", "[pipe]", f"tables = {array(map(array_of_strings, pipe.tables))}"]
    for name in ("type", "mode", "slot", "publication", "mechanism"):
        if getattr(pipe, name):
            lines.append(f"{name} = {string(getattr(pipe, name))}")
    for name in ("excluded", "sorting"):
        if getattr(pipe, name):
            lines.append(f"{name} = {array(map(array_of_strings, getattr(pipe, name)))}")
    return "\n".join(lines) + "\n"


def from_toml(text):
    """A world, and the known fault that it shows ("" if it must pass)."""
    document = tomllib.loads(text)
    world = World(
        server=document["server"],
        pipe=Pipe(**document["pipe"]),
        setup=document["setup"],
        workload=document["workload"],
        **{name: document[name] for name in ("settings", "start", "standby", "paused") if name in document},
    )
    return world, document.get("known", "")


def string(text):
    # TOML's escapes are JSON's, but for DEL.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def array(items):
    return f"[{', '.join(items)}]"


def array_of_strings(items):
    return array(map(string, items))
