"""Random worlds for PostgreSQL: CREATE TABLE, ALTER TABLE, CREATE PUBLICATION, CREATE ROLE, GRANT, CREATE POLICY and ALTER
DATABASE as the documentation of versions 15 to 18 has them."""

from dataclasses import dataclass, field

from postgres import quoted
from world import Pipe, World, sorting_keys

LARGE = "(SELECT string_agg(md5(i::text || {seed}), '') FROM generate_series(1, 120) i)"

# A type, and expressions of values that differ.
TYPES = {
    "text": ["'a'", "'b'", "'line\nbreak\t\\'", "''", "NULL"],
    "varchar(20)": ["'x'", "'ÿ€😀'"],
    "char(4)": ["'ab'", "'c'"],
    "smallint": ["1", "-2"],
    "bigint": ["9223372036854775807", "0"],
    "numeric(12,3)": ["1.5", "-0.001"],
    "numeric": ["'NaN'", "123456789012345678901234567890.1"],
    "real": ["0.1", "1e30"],
    "double precision": ["0.1", "'Infinity'", "1e-300"],
    "boolean": ["true", "false", "NULL"],
    "date": ["'2024-02-29'", "'infinity'"],
    "time": ["'12:34:56.789'", "'24:00'"],
    "timetz": ["'12:34:56+02'"],
    "timestamp": ["'2024-01-01 00:00:00.123456'", "'0044-03-15 BC'"],
    "timestamptz": ["'2024-06-01 12:00:00+09'", "'-infinity'"],
    "interval": ["'1 mon 2 days 03:04:05'", "'-1 year'"],
    "uuid": ["'11111111-2222-3333-4444-555555555555'", "'00000000-0000-0000-0000-000000000000'"],
    "json": ["""'{"a": [1, null, "x"]}'""", "'[]'"],
    "jsonb": ["""'{"a": {"b": 1}}'""", "'null'"],
    "bytea": ["'\\x00ff'", "''"],
    "bit(5)": ["B'10101'", "B'00000'"],
    "varbit": ["B'1'", "B''"],
    "integer[]": ["'{1,2,NULL}'", "'{}'", "'{{1,2},{3,4}}'"],
    "text[]": ["""'{"a,b","c\\"d",NULL}'""", "'{}'"],
    "inet": ["'10.0.0.1/8'", "'::1'"],
    "macaddr": ["'08:00:2b:01:02:03'"],
    "int4range": ["'[1,5)'", "'empty'"],
    "tsrange": ["'[2024-01-01,2024-02-01)'"],
    "int4multirange": ["'{[1,2),[5,9)}'"],
    "point": ["'(1,2)'"],
    "tsvector": ["'a:1 b:2'"],
    "xml": ["'<a>1</a>'"],
    "money": ["'12.34'"],
    "mood": ["'happy'", "'sad'"],
    "positive": ["1", "2"],
    "pair": ["ROW(1, 'x')", "ROW(NULL, 'y')"],
    "mood[]": ["'{happy,sad}'"],
    "positive[]": ["'{1,2}'"],
}
PREPARED = {
    "mood": "CREATE TYPE mood AS ENUM ('happy', 'sad')",
    "positive": "CREATE DOMAIN positive AS integer CHECK (VALUE > 0)",
    "pair": "CREATE TYPE pair AS (a integer, b text)",
}
# No equality: REPLICA IDENTITY FULL still works, comparing is ours.
ODD = {
    "space": "we ird", "upper": "Mixed", "quote": 'quo"te', "dot": "dot.ted", "newline": "new\nline", "tab": "tab\tname",
    "joiner": "zero\u200bwidth", "bom": "\ufeffbom", "emoji": "smile😀", "keyword": "select", "apostrophe": "it's",
    "backslash": "back\\slash", "percent": "per%cent", "underscore": "_", "star": "a*b", "long": "l" * 63, "comma": "a,b",
    "shadow": "pg_class", "leading space": " lead",
}


@dataclass
class Column:
    name: str
    type: str
    values: list
    large: bool = False
    generated: str = ""


@dataclass
class Table:
    schema: str
    name: str
    kind: str
    columns: list = field(default_factory=list)
    key: list = field(default_factory=list)
    # Leaf partitions or children.
    parts: list = field(default_factory=list)
    writable: bool = True
    publishable: bool = True
    next: int = 1
    # Columns of its sorting key in ClickHouse, if that is not the primary key.
    sorting: list = field(default_factory=list)

    def has_key(self):
        return bool(self.key)

    def sql(self):
        return quoted(self.schema, self.name)

    def insert(self, choose, count=1, into=None):
        columns = [column for column in self.columns if not column.generated]
        rows = []
        for _ in range(count):
            values = []
            for column in columns:
                if column.name == "id":
                    values.append(str(self.next))
                elif column.large:
                    values.append(LARGE.format(seed=self.next))
                else:
                    values.append(choose.rng.choice(column.values))
            self.next += 1
            rows.append(f"({', '.join(values)})")
        names = ", ".join(quoted(column.name) for column in columns)
        return f"INSERT INTO {into or self.sql()} ({names}) VALUES {', '.join(rows)}"


class Generator:
    def __init__(self, server, version, choose):
        self.server, self.version = server, version
        self.rng, self.choose = choose.rng, choose
        self.setup, self.settings, self.tables = [], [], []
        self.start, self.standby = [], None
        # Schema, table and name of columns.
        self.not_granted = []
        self.schemas = ["public"]

    def world(self):
        encoding = self.choose("encoding", ("UTF8", 96), ("LATIN1", 2), ("SQL_ASCII", 2))
        if encoding != "UTF8":
            self.add(f"-- database TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'")
        self.arrangement()
        self.user()
        self.tables_and_keys()
        self.privileges()
        pipe = self.pipe()
        self.publications(pipe)
        self.row_security()
        self.environment()
        self.existing_slots(pipe)
        # A slot can only be created while no other transaction is open, so these are opened last.
        self.setup.sort(key=lambda statement: statement.startswith("-- in another session"))
        return World(
            self.server, pipe, self.setup, self.workload(), self.settings, self.start, self.standby, self.paused, self.choose.made
        )

    def add(self, *statements):
        self.setup.extend(statements)

    # Servers

    def arrangement(self):
        """Settings that need another start of the server."""
        start = self.choose(
            "server start", ("usual", 380), ("wal_level=replica", 2), ("wal_level=minimal max_wal_senders=0", 1),
            ("max_wal_senders=1", 2), ("max_wal_senders=2", 3), ("max_replication_slots=2", 3),
            ("max_prepared_transactions=5", 2), ("standby", 5),
        )
        if start == "usual":
            return
        if start == "standby":
            self.standby = []
            self.settings.append(["hot_standby_feedback", self.choose("hot_standby_feedback", ("on", 2), ("off", 1))])
        else:
            self.start = [setting.split("=") for setting in start.split()]
        if start == "max_wal_senders=2":
            for _ in range(self.choose("WAL senders in use", (2, 4), (1, 2), (0, 1))):
                self.add("-- as a WAL sender\nIDENTIFY_SYSTEM")
        elif start == "max_replication_slots=2":
            for number in range(self.choose("slots in use", (2, 4), (1, 2), (0, 1))):
                self.add(f"SELECT pg_create_physical_replication_slot('other{number}')")

    def existing_slots(self, pipe):
        """Slots in this database: what a standby has, and what a pipe that does not copy continues from."""
        if self.standby is not None and self.version >= 16 and self.choose("slot on the standby", ("yes", 3), ("no", 1)) == "yes":
            self.add("-- on the standby\nSELECT pg_create_logical_replication_slot('existing', 'pgoutput')")
        if self.start == [["max_prepared_transactions", "5"]] and self.tables[0].writable and self.tables[0].columns:
            end = self.choose("prepared transaction", ("stays", 3), ("is committed", 1))
            self.add("BEGIN", "SELECT pg_catalog.pg_current_xact_id()", "PREPARE TRANSACTION 'left over'")
            if end == "is committed":
                self.add("COMMIT PREPARED 'left over'")
        if self.start or self.standby is not None:
            return
        if self.choose("slot of the pipe", ("created by the pipe", 96), ("given", 4)) == "given":
            pipe.mode, pipe.slot = "cdc_only", "clickpipes_slot"
            plugin = self.choose("given slot", ("pgoutput", 2), ("missing", 1), ("test_decoding", 1))
            if plugin != "missing":
                self.add(f"SELECT pg_create_logical_replication_slot('{pipe.slot}', '{plugin}')")

    # Users

    def user(self):
        right = self.choose(
            "replication right", ("attribute", 88), ("none", 3), ("by membership", 8), ("by rds_superuser", 2),
            ("membership without inherit", 2)
        )
        self.logical_replication = self.choose("rds.logical_replication", ("on", 97), ("off", 3))
        if self.logical_replication == "off":
            self.settings.append(["rds.logical_replication", "off"])
            right = self.choose("replication right while it is off", ("by membership", 3), ("attribute", 1))
        # On RDS the role rds_replication is enough while rds.logical_replication is on. Outside it, only the attribute opens a
        # WAL sender.
        is_on = self.logical_replication == "on"
        is_allowed = right == "attribute" or is_on and right in ("by membership", "by rds_superuser")
        self.add(f"CREATE ROLE clickpipes_iam_user LOGIN {'REPLICATION' if is_allowed else ''}".rstrip())
        self.add("GRANT rds_iam TO clickpipes_iam_user")
        if right == "by membership":
            self.add("GRANT rds_replication TO clickpipes_iam_user")
        elif right == "by rds_superuser":
            self.add("CREATE ROLE rds_superuser", "GRANT rds_replication TO rds_superuser", "GRANT rds_superuser TO clickpipes_iam_user")
        elif right == "membership without inherit" and self.version >= 16:
            self.add("GRANT rds_replication TO clickpipes_iam_user WITH INHERIT FALSE")
        elif right == "membership without inherit":
            self.add("ALTER ROLE clickpipes_iam_user NOINHERIT", "GRANT rds_replication TO clickpipes_iam_user")
        attribute = self.choose(
            "user attribute", ("none", 92), ("VALID UNTIL '2001-01-01'", 1), ("PASSWORD 'x'", 1), ("NOLOGIN", 1), ("NOINHERIT", 4), ("CONNECTION LIMIT 1", 1), ("CONNECTION LIMIT 4", 1),
            ("CONNECTION LIMIT 3", 1), ("BYPASSRLS", 1)
        )
        if attribute == "NOINHERIT":
            # IAM must be inherited, or pg_hba.conf does not know the user.
            self.add("ALTER ROLE clickpipes_iam_user NOINHERIT")
        elif attribute != "none":
            self.add(f"ALTER ROLE clickpipes_iam_user {attribute}")
        if self.choose("CONNECT on the database", ("PUBLIC", 98), ("revoked", 2)) == "revoked":
            self.add("REVOKE CONNECT ON DATABASE app FROM PUBLIC")
        if self.choose("role after login", ("the user", 98), ("another", 2)) == "another":
            self.add("CREATE ROLE acting", "GRANT acting TO clickpipes_iam_user", "ALTER ROLE clickpipes_iam_user SET role = 'acting'")
            if self.choose("privileges of that role", ("as the user", 1), ("none", 1)) == "as the user":
                self.add("GRANT USAGE ON SCHEMA public TO acting", "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO acting")
        self.add("CREATE ROLE app_owner", "GRANT CREATE ON DATABASE app TO app_owner")

    # Tables

    def tables_and_keys(self):
        schema = self.choose("schema", ("public", 80), ("sales", 12), ("Odd Schema", 5), ("quo\"te", 3))
        if schema != "public":
            self.schemas = [schema]
            self.add(f"CREATE SCHEMA {quoted(schema)}")
        self.schema = schema
        self.named = self.choose(
            "pipe tables", ("all written", 70), ("one", 15), ("not chosen", 10), ("leaves", 5), ("parent and part", 2), ("any kind", 0.1)
        )
        for number in range(self.choose("tables", (1, 60), (2, 30), (3, 10))):
            self.table(number)
        if self.named in ("leaves", "parent and part") and not any(table.parts for table in self.tables):
            self.table(8, "partitioned")
        if not any(table.writable for table in self.tables):
            self.table(9, "plain")

    def name(self, number):
        odd = self.choose("table name", ("plain", 90), *((name, 0.5) for name in ODD))
        return f"t{number}" if odd == "plain" or any(t.name == ODD[odd] for t in self.tables) else ODD[odd]

    def table(self, number, kind=None):
        kind = kind or self.choose(
            "kind", ("plain", 56), ("partitioned", 20), ("inherited", 7), ("unlogged", 3), ("temporary", 2), ("view", 2),
            ("materialized view", 2), ("foreign", 2), ("typed", 2), ("no columns", 1), ("child of foreign key", 3)
        )
        table = Table(self.schema, self.name(number), kind)
        if kind == "temporary":
            table.schema = "pg_temp"
        self.tables.append(table)
        if kind in ("view", "materialized view"):
            self.view(table, number)
            return
        if kind == "foreign":
            self.foreign(table)
            return
        if kind == "no columns":
            table.writable = False
            self.add(f"CREATE TABLE {table.sql()} ()", f"ALTER TABLE {table.sql()} REPLICA IDENTITY FULL")
            return
        self.columns(table)
        self.create(table)
        self.identity(table)
        self.owner(table)
        self.add(table.insert(self.choose, self.rng.randint(1, 3)))

    def view(self, table, number):
        kind = table.kind.upper()
        self.add(f"CREATE {kind} {table.sql()} AS SELECT {number} AS id, 'x'::text AS note")
        table.writable = False
        table.publishable = False

    def foreign(self, table):
        self.add(
            "CREATE EXTENSION IF NOT EXISTS file_fdw",
            "CREATE SERVER files FOREIGN DATA WRAPPER file_fdw" if "CREATE SERVER files FOREIGN DATA WRAPPER file_fdw" not in self.setup
            else "SELECT 1",
            f"CREATE FOREIGN TABLE {table.sql()} (line text) SERVER files OPTIONS (filename '/etc/hostname')",
        )
        table.writable = False
        table.publishable = False

    def columns(self, table):
        table.columns = [Column("id", "integer", [])]
        for i in range(self.rng.randint(1, 3)):
            name = self.choose("column name", (f"c{i}", 94), ("Odd Col", 2), ('c"q', 1), ("user", 1), ("ctid2", 1), ("été", 1))
            if any(column.name == name for column in table.columns):
                name = f"c{i}"
            kind = self.choose("type", *((name, 6 if name == "text" else 1) for name in TYPES))
            base = kind.removesuffix("[]")
            if base in PREPARED and PREPARED[base] not in self.setup:
                self.add(PREPARED[base])
            table.columns.append(Column(name, kind, TYPES[kind]))
        large = self.choose("large value", ("none", 80), ("text", 12), ("external", 4), ("bytea", 4))
        if large != "none":
            kind = "bytea" if large == "bytea" else "text"
            table.columns.append(Column("big", kind, [], large=True))
            if large == "bytea":
                table.columns[-1].large = False
                table.columns[-1].values = [LARGE.format(seed=7) + "::bytea", LARGE.format(seed=8) + "::bytea"]
        generated = self.choose("generated column", ("none", 90), ("stored", 7), ("virtual", 3 if self.version >= 18 else 0))
        if generated != "none":
            table.columns.append(Column("gen", "integer", [], generated=generated.upper()))

    def create(self, table):
        key = "none" if table.kind == "child of foreign key" else self.choose(
            "key", ("primary", 72), ("with INCLUDE", 2), ("temporal", 2 if self.version >= 18 else 0), ("exclusion", 1),
            ("nulls not distinct", 1), ("composite", 6), ("none", 8), ("unique", 5), ("unique nullable", 3), ("deferrable", 4)
        )
        partition = ""
        if table.kind == "partitioned":
            partition = self.choose("partition by", "RANGE", "LIST", "HASH")
        lines = []
        for column in table.columns:
            line = f"{quoted(column.name)} {column.type}"
            if column.generated:
                line += f" GENERATED ALWAYS AS (id * 2) {column.generated}"
            lines.append(line)
        table.key = ["id"]
        if table.kind == "child of foreign key":
            parent = next((t for t in self.tables if t.kind == "plain" and t.key == ["id"] and t.fk_ok), None)
            lines.append("PRIMARY KEY (id)")
            if parent:
                action = self.choose("on delete", "CASCADE", "SET NULL", "SET DEFAULT", "NO ACTION")
                lines.append(f"parent integer REFERENCES {parent.sql()} ON DELETE {action} ON UPDATE CASCADE")
                table.columns.append(Column("parent", "integer", ["1", "NULL"]))
        elif key == "primary":
            lines.append("PRIMARY KEY (id)")
        elif key == "with INCLUDE":
            other = table.columns[1]
            lines.append(f"PRIMARY KEY (id) INCLUDE ({quoted(other.name)})" if not other.generated else "PRIMARY KEY (id)")
        elif key == "composite":
            other = self.comparable(table)
            if other and not partition:
                lines[1] += " NOT NULL" if lines[1].startswith(quoted(other.name)) else ""
                table.key = ["id"]
                lines.append(f"PRIMARY KEY (id, {quoted(other.name)})")
                other.values = [value for value in other.values if value != "NULL"]
            else:
                lines.append("PRIMARY KEY (id)")
        elif key == "temporal":
            self.add("CREATE EXTENSION IF NOT EXISTS btree_gist")
            lines.append("valid daterange NOT NULL DEFAULT '[2024-01-01,2025-01-01)'")
            lines.append("PRIMARY KEY (id, valid WITHOUT OVERLAPS)")
        elif key == "exclusion":
            self.add("CREATE EXTENSION IF NOT EXISTS btree_gist")
            lines.append("EXCLUDE USING gist (id WITH =)")
        elif key == "nulls not distinct":
            lines.append("UNIQUE NULLS NOT DISTINCT (id)")
        elif key in ("unique", "unique nullable"):
            if key == "unique":
                lines[0] += " NOT NULL"
            lines.append("UNIQUE (id)")
        elif key == "deferrable":
            lines.append("PRIMARY KEY (id) DEFERRABLE" if not partition else "PRIMARY KEY (id)")
        if key in ("none", "unique nullable", "unique", "exclusion", "nulls not distinct"):
            table.key = []
        table.fk_ok = key == "primary"
        table.identity_key = key
        words = {"unlogged": "UNLOGGED ", "temporary": "TEMPORARY "}.get(table.kind, "")
        name = quoted(table.name) if table.kind == "temporary" else table.sql()
        if table.kind == "typed":
            inside = ", ".join(line for line, c in zip(lines, table.columns) if not c.generated)
            table.columns = [column for column in table.columns if not column.generated]
            self.add(f"CREATE TYPE {quoted(table.schema, 'row_' + str(len(self.setup)))} AS ({', '.join(quoted(c.name) + ' ' + c.type for c in table.columns)})")
            kind = self.setup[-1].split(" AS ")[0].removeprefix("CREATE TYPE ")
            self.add(f"CREATE TABLE {name} OF {kind} (PRIMARY KEY (id))")
            table.key, table.identity_key = ["id"], "primary"
            return
        by = f" PARTITION BY {partition} (id)" if partition else ""
        self.add(f"CREATE {words}TABLE {name} (" + ", ".join(lines) + f"){by}")
        for column in table.columns:
            if column.large and self.rng.random() < 0.5:
                self.add(f"ALTER TABLE {name} ALTER COLUMN {quoted(column.name)} SET STORAGE EXTERNAL")
        if partition:
            self.partition(table, table.sql(), partition, self.choose("depth", (1, 6), (2, 3), (3, 1)), f"{table.name[:40]}_p")
        if table.kind == "inherited":
            child = quoted(table.schema, f"{table.name[:40]}_child")
            self.add(f"CREATE TABLE {child} (extra integer, PRIMARY KEY (id)) INHERITS ({table.sql()})")
            table.parts.append(child)

    @staticmethod
    def comparable(table):
        without = {"json", "xml", "point", "big"}
        return next((c for c in table.columns[1:] if c.type not in without and not c.generated and c.name != "big"), None)

    def partition(self, table, parent, by, depth, prefix):
        bounds = {
            "RANGE": ["FROM (MINVALUE) TO (3)", "FROM (3) TO (1000)", "DEFAULT"],
            "LIST": ["IN (1, 2, 3)", "IN (4, 5)", "DEFAULT"],
            "HASH": ["WITH (MODULUS 2, REMAINDER 0)", "WITH (MODULUS 2, REMAINDER 1)"],
        }[by]
        for number, bound in enumerate(bounds):
            name = f"{prefix}{number}"
            below = self.rng.choice(["RANGE", "LIST", "HASH"]) if depth > 1 and number == 1 else ""
            clause = "DEFAULT" if bound == "DEFAULT" else f"FOR VALUES {bound}"
            more = f" PARTITION BY {below} (id)" if below else ""
            storage = "" if below else self.choose("partition storage", ("logged", 92), ("unlogged", 5), ("foreign", 3))
            if storage == "foreign":
                self.foreign_partition(quoted(table.schema, name), parent, clause)
                continue
            kind = "UNLOGGED " if storage == "unlogged" else ""
            made = "PARTITION OF" if below else self.choose("partition made by", ("PARTITION OF", 88), ("ATTACH", 12))
            if made == "ATTACH":
                # Its columns have another order, and one was dropped.
                columns = [f"{quoted(c.name)} {c.type}" for c in reversed(table.columns) if not c.generated]
                part = quoted(table.schema, name)
                self.add(
                    f"CREATE {kind}TABLE {part} (dropped integer, {', '.join(columns)})",
                    f"ALTER TABLE {part} DROP COLUMN dropped",
                    f"ALTER TABLE {parent} ATTACH PARTITION {part} {clause}",
                )
                table.parts.append(part)
                continue
            self.add(f"CREATE {kind}TABLE {quoted(table.schema, name)} PARTITION OF {parent} {clause}{more}")
            if below:
                self.partition(table, quoted(table.schema, name), below, depth - 1, f"{name}_")
            else:
                table.parts.append(quoted(table.schema, name))

    def foreign_partition(self, name, parent, clause):
        """A partition whose rows are in another table of this database, behind postgres_fdw. The primary key of a partitioned
        table does not allow one, and then the world has no such partition."""
        self.add(
            "CREATE EXTENSION IF NOT EXISTS postgres_fdw",
            "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_foreign_server WHERE srvname = 'loopback') THEN"
            " EXECUTE format('CREATE SERVER loopback FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host %L, port %L, dbname %L)',"
            " split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port'), current_database());"
            " CREATE USER MAPPING FOR PUBLIC SERVER loopback OPTIONS (user 'rdsadmin', password_required 'false');"
            " END IF; END $$",
            f"CREATE TABLE far (LIKE {parent})",
            f"CREATE FOREIGN TABLE {name} PARTITION OF {parent} {clause} SERVER loopback OPTIONS (schema_name 'public', table_name 'far')",
        )

    def identity(self, table):
        names = [table.sql()] + table.parts if table.kind != "temporary" else [quoted(table.name)]
        no_key = table.identity_key in ("none", "unique", "unique nullable", "deferrable")
        identity = self.choose(
            "replica identity",
            ("default", 62 if not no_key else 15), ("full everywhere", 18), ("full on the root", 5 if table.parts else 0),
            ("full on the leaves", 2 if table.parts else 0), ("nothing", 3), ("nothing on a leaf", 4 if table.parts else 0),
            ("index", 6), ("index dropped", 1 if not table.parts else 0),
        )
        everywhere = {"full everywhere": "FULL", "nothing": "NOTHING"}.get(identity)
        if everywhere:
            self.add(*(f"ALTER TABLE {name} REPLICA IDENTITY {everywhere}" for name in names))
        elif identity == "full on the root":
            self.add(f"ALTER TABLE {names[0]} REPLICA IDENTITY FULL")
        elif identity == "full on the leaves":
            self.add(*(f"ALTER TABLE {name} REPLICA IDENTITY FULL" for name in names[1:]))
        elif identity == "nothing on a leaf":
            self.add(f"ALTER TABLE {self.rng.choice(names[1:])} REPLICA IDENTITY NOTHING")
        elif identity in ("index", "index dropped") and table.kind != "temporary":
            index = f"identity_{len(self.setup)}"
            self.add(
                f"ALTER TABLE {names[0]} ALTER COLUMN id SET NOT NULL",
                f"CREATE UNIQUE INDEX {index} ON {names[0]} (id)",
                f"ALTER TABLE {names[0]} REPLICA IDENTITY USING INDEX {index}",
            )
            if identity == "index dropped":
                self.add(f"DROP INDEX {quoted(table.schema, index)}")

    def owner(self, table):
        owner = self.choose("owner", ("app_owner", 60), ("clickpipes_iam_user", 34), ("rdsadmin", 6))
        if table.kind != "temporary" and owner != "rdsadmin":
            for name in [table.sql()] + table.parts:
                self.add(f"ALTER TABLE {name} OWNER TO {owner}")
        table.owner = owner

    # Privileges

    def privileges(self):
        for schema in self.schemas:
            if self.choose("usage on schema", ("granted", 97), ("missing", 3)) == "granted":
                self.add(f"GRANT USAGE ON SCHEMA {quoted(schema)} TO clickpipes_iam_user")
            elif schema == "public":
                self.add("REVOKE USAGE ON SCHEMA public FROM PUBLIC")
        way = self.choose(
            "select", ("all tables", 72), ("each table", 10), ("columns", 5), ("by inherited role", 4),
            ("by role without inherit", 4), ("all but one", 4), ("pg_read_all_data", 1),
        )
        real = [table for table in self.tables if table.kind != "temporary"]
        if way == "all tables":
            self.add(*(f"GRANT SELECT ON ALL TABLES IN SCHEMA {quoted(schema)} TO clickpipes_iam_user" for schema in self.schemas))
        elif way == "each table":
            self.add(*(f"GRANT SELECT ON {table.sql()} TO clickpipes_iam_user" for table in real))
        elif way == "all but one":
            self.add(*(f"GRANT SELECT ON {table.sql()} TO clickpipes_iam_user" for table in real[1:]))
        elif way == "columns":
            for table in real:
                if len(table.columns) > 2:
                    self.not_granted.append([table.schema, table.name, table.columns[-1].name])
                    names = ", ".join(quoted(column.name) for column in table.columns[:-1])
                    self.add(f"GRANT SELECT ({names}) ON {table.sql()} TO clickpipes_iam_user")
                else:
                    self.add(f"GRANT SELECT ON {table.sql()} TO clickpipes_iam_user")
        elif way == "pg_read_all_data":
            self.add("GRANT pg_read_all_data TO clickpipes_iam_user")
        else:
            self.add("CREATE ROLE readers")
            self.add(*(f"GRANT SELECT ON ALL TABLES IN SCHEMA {quoted(schema)} TO readers" for schema in self.schemas))
            if way == "by inherited role":
                self.add("GRANT readers TO clickpipes_iam_user")
            elif self.version >= 16:
                self.add("GRANT readers TO clickpipes_iam_user WITH INHERIT FALSE")
            else:
                self.add("ALTER ROLE clickpipes_iam_user NOINHERIT", "GRANT readers TO clickpipes_iam_user")
        create = self.choose("create on database", ("granted", 70), ("missing", 20), ("by role without inherit", 5), ("by role", 5))
        if create == "granted":
            self.add("GRANT CREATE ON DATABASE app TO clickpipes_iam_user")
        elif create != "missing":
            self.add("CREATE ROLE creators", "GRANT CREATE ON DATABASE app TO creators")
            inherit = " WITH INHERIT FALSE" if create == "by role without inherit" and self.version >= 16 else ""
            if create == "by role without inherit" and self.version < 16:
                self.add("ALTER ROLE clickpipes_iam_user NOINHERIT")
            self.add(f"GRANT creators TO clickpipes_iam_user{inherit}")
        membership = self.choose("member of the owner", ("no", 92), ("yes", 4), ("without inherit", 4))
        if membership != "no":
            inherit = " WITH INHERIT FALSE" if membership == "without inherit" and self.version >= 16 else ""
            self.add(f"GRANT app_owner TO clickpipes_iam_user{inherit}")

    def row_security(self):
        for table in self.tables:
            if not table.writable or table.kind == "temporary":
                continue
            security = self.choose("row security", ("off", 95), ("hides", 2), ("shows all", 1), ("no policy", 1), ("forced", 1))
            if security == "off":
                continue
            self.add(f"ALTER TABLE {table.sql()} ENABLE ROW LEVEL SECURITY")
            if security == "hides":
                self.add(f"CREATE POLICY some ON {table.sql()} FOR SELECT USING (id > 1)")
            elif security == "shows all":
                self.add(f"CREATE POLICY everything ON {table.sql()} FOR SELECT TO clickpipes_iam_user USING (true)")
            elif security == "forced":
                self.add(f"ALTER TABLE {table.sql()} FORCE ROW LEVEL SECURITY")

    # The pipe and its publication

    def pipe(self):
        named = self.named
        tables = [table for table in self.tables if table.kind != "temporary"]
        if self.choose("views in the pipe", ("no", 97), ("yes", 3)) == "no":
            tables = [table for table in tables if table.publishable] or tables
        if named == "one":
            tables = tables[:1]
        pairs = [[table.schema, table.name] for table in tables]
        self.in_pipe = tables
        partitioned = next((table for table in tables if table.parts), None)
        if partitioned and named in ("leaves", "parent and part"):
            parts = [[table_schema(part), table_name(part)] for part in partitioned.parts]
            pairs = pairs + parts[:1] if named == "parent and part" else parts
        if named == "not chosen":
            pairs = []
            self.in_pipe = [t for t in self.tables if t.kind != "temporary" and t.publishable]
        mode = self.choose("mode", ("", 85), ("cdc", 10), ("snapshot", 5))
        excluded = self.excluded(pairs)
        sorted_by = self.sorting([t for t in tables if [t.schema, t.name] in pairs and t.columns], excluded)
        return Pipe(tables=pairs, mode=mode, excluded=excluded, sorting=sorted_by)

    def sorting(self, tables, excluded):
        """Sorting keys in ClickHouse. A table without a primary key needs one."""
        chosen = []
        for table in tables:
            if "*" in table.name:
                # It is a usage error: a pattern is not accepted here.
                continue
            others = [c for c in table.columns[1:] if not c.generated and not c.large and c.name != "big" and [table.schema, table.name, c.name] not in excluded]
            chosen += sorting_keys(self.choose, table, others, excluded)
        return chosen

    def excluded(self, pairs):
        """Columns that the pipe leaves out: also some that the user cannot read, which makes a pipe possible."""
        options = [("those without privilege", 6), ("none", 4)] if self.not_granted else [("none", 94), ("one", 6)]
        chosen = self.choose("excluded columns", *options)
        some = self.not_granted if chosen == "those without privilege" else []
        if chosen == "one":
            some = [[t.schema, t.name, self.rng.choice(t.columns[1:]).name] for t in self.in_pipe if len(t.columns) > 2 and "*" not in t.name]
        return [column for column in some if not pairs or column[:2] in pairs]

    def publications(self, pipe):
        shape = self.choose(
            "publication", ("listed", 44), ("all tables", 16), ("schema", 6), ("created by the pipe", 22),
            ("without a table", 3), ("missing", 1), ("not named", 8)
        )
        names = {"plain": "pub", "odd": 'Odd "pub"', "upper": "Pub"}
        name = names[self.choose("publication name", ("plain", 90), ("odd", 5), ("upper", 5))]
        if shape == "missing":
            pipe.publication = name
            return
        if shape == "created by the pipe":
            return
        tables = [table for table in self.in_pipe if table.publishable] or [t for t in self.tables if t.publishable and t.kind != "temporary"]
        if not tables:
            return
        options = self.publish_options()
        if shape == "all tables":
            what = "FOR ALL TABLES"
        elif shape == "schema":
            what = "FOR TABLES IN SCHEMA " + ", ".join(map(quoted, self.schemas))
        else:
            if shape == "without a table":
                tables = tables[1:]
            targets = [quoted(*pair) for pair in pipe.tables] if pipe.tables and not tables else None
            what = "FOR TABLE " + ", ".join(targets or [self.published(table) for table in tables]) if tables or targets else ""
        self.add(f"CREATE PUBLICATION {quoted(name)} {what}{options}".strip())
        if shape != "not named":
            pipe.publication = name
        if self.choose("second publication", ("no", 94), ("all tables", 6)) == "all tables":
            self.add("CREATE PUBLICATION other FOR ALL TABLES")

    def published(self, table):
        only = self.choose("only", ("no", 90), ("yes", 10)) if table.parts else "no"
        text = ("ONLY " if only == "yes" else "") + table.sql()
        columns = self.choose("column list", ("none", 90), ("with key", 5), ("without key", 3), ("all", 2))
        listed = [column for column in table.columns if not column.generated]
        if columns == "with key" and len(listed) > 2:
            listed = listed[:-1]
        elif columns == "without key" and len(listed) > 1:
            listed = listed[1:]
        elif columns == "none" or columns != "all":
            listed = []
        if columns == "all" and self.version >= 18:
            listed = [column for column in table.columns if column.generated != "VIRTUAL"]
        if listed:
            text += f" ({', '.join(quoted(column.name) for column in listed)})"
        where = self.choose("row filter", ("none", 91), ("key", 4), ("other column", 3), ("true", 2))
        if where == "key" and table.columns:
            text += " WHERE (id > 2)"
        elif where == "other column" and len(table.columns) > 1:
            text += f" WHERE ({quoted(table.columns[1].name)} IS NOT NULL)"
        elif where == "true":
            text += " WHERE (true)"
        return text

    def publish_options(self):
        options = []
        root = self.choose("via root", ("true", 60), ("default", 40))
        if root == "true":
            options.append("publish_via_partition_root = true")
        publish = self.choose(
            "publish", ("all", 84), ("insert, update, delete", 6), ("insert, update", 4), ("insert", 3), ("update, delete", 3)
        )
        if publish != "all":
            options.append(f"publish = '{publish}'")
        if self.version >= 18 and self.choose("publish generated", ("default", 85), ("stored", 15)) == "stored":
            options.append("publish_generated_columns = stored")
        return f" WITH ({', '.join(options)})" if options else ""

    # Settings

    def environment(self):
        setting = self.choose(
            "database setting", ("none", 84), ("search_path = nowhere", 2), ("default_transaction_read_only = on", 2),
            ("row_security = off", 2), ("statement_timeout = 1", 1), ("lc_messages = 'C'", 1), ("datestyle = 'SQL, DMY'", 2),
            ("search_path = shadow, public, pg_catalog", 3), ("bytea_output = escape", 1), ("timezone = 'Asia/Tokyo'", 1),
            ("standard_conforming_strings = off", 1), ("quote_all_identifiers = on", 1),
            ("default_transaction_isolation = serializable", 1), ("default_transaction_deferrable = on", 1),
        )
        if setting != "none":
            scope = self.choose("scope", "DATABASE app", "ROLE clickpipes_iam_user", "ROLE clickpipes_iam_user IN DATABASE app")
            if "shadow" in setting:
                self.add(
                    "CREATE SCHEMA shadow",
                    "CREATE VIEW shadow.pg_class AS SELECT * FROM pg_catalog.pg_class WHERE relname = 'nothing'",
                    "CREATE VIEW shadow.pg_roles AS SELECT * FROM pg_catalog.pg_roles WHERE false",
                    "GRANT USAGE ON SCHEMA shadow TO PUBLIC",
                    "GRANT SELECT ON ALL TABLES IN SCHEMA shadow TO PUBLIC",
                )
            self.add(f"ALTER {scope} SET {setting}")
        limit = self.choose("database limit", ("none", 97), ("-1", 0.5), ("0", 0.5), ("3", 1), ("100", 1))
        if limit != "none":
            self.add(f"ALTER DATABASE app CONNECTION LIMIT {limit}")
        server = self.choose(
            "server setting", ("none", 90), ("rds.iam_auth_for_replication=0", 3), ("max_slot_wal_keep_size=1MB", 3),
            ("idle_replication_slot_timeout=1s", 3 if self.version >= 18 else 0), ("wal_sender_timeout=1s", 1),
            ("logical_decoding_work_mem=64kB", 0.5), ("wal_compression=on", 0.5),
        )
        if server != "none":
            self.settings.append(server.split("="))
        # A pause has an effect only with these settings.
        often = 80 if server.startswith(("max_slot", "idle")) else 2
        is_possible = not self.start and self.standby is None
        self.paused = is_possible and self.choose("pipe is paused", ("no", 100 - often), ("yes", often)) == "yes"
        if self.choose("open transaction", ("no", 99), ("yes", 1)) == "yes":
            self.add("-- in another session\nSELECT pg_catalog.pg_current_xact_id()")

    # The application

    def workload(self):
        transactions = []
        written = [table for table in self.tables if table.writable and table.kind != "temporary"]
        changed = {}
        for table in written:
            transactions.append([table.insert(self.choose, self.rng.randint(1, 3))])
            others = [column for column in table.columns[1:] if not column.generated and not column.large]
            for _ in range(self.rng.randint(1, 4)):
                action = self.choose(
                    "statement", ("update", 34), ("delete", 18), ("insert", 14), ("update the key", 6), ("update large", 4),
                    ("truncate", 2), ("add column", 4), ("drop column", 2), ("merge", 3), ("savepoint", 2), ("copy", 2), ("insert into a part", 6), ("rolled back", 4), ("upsert", 4),
                    ("delete all", 2), ("several", 4),
                )
                transactions.append(self.statement(action, table, others))
        return [transaction for transaction in transactions if transaction]

    def statement(self, action, table, others):
        name, low = table.sql(), self.rng.randint(1, max(table.next - 1, 1))
        column = self.rng.choice(others) if others else None
        update = f"UPDATE {name} SET {quoted(column.name)} = {self.rng.choice(column.values)} WHERE id >= {low}" if column else ""
        if action == "update" or (action == "insert into a part" and not table.parts):
            return [update] if update else []
        if action == "delete":
            return [f"DELETE FROM {name} WHERE id = {low}"]
        if action == "delete all":
            return [f"DELETE FROM {name}"]
        if action == "insert":
            return [table.insert(self.choose, 2)]
        if action == "update the key":
            table.next += 1
            return [f"UPDATE {name} SET id = {table.next + 100} WHERE id = {low}"]
        if action == "update large":
            big = next((c for c in table.columns if c.large), None)
            return [f"UPDATE {name} SET {quoted(big.name)} = {LARGE.format(seed=99)} WHERE id = {low}"] if big else []
        if action == "truncate":
            return [f"TRUNCATE {name} CASCADE"]
        if action == "add column" and table.kind != "typed":
            added = f"added{self.rng.randint(0, 999)}"
            return [f"ALTER TABLE {name} ADD COLUMN {added} text", f"UPDATE {name} SET {added} = 'new' WHERE id >= {low}"]
        if action == "insert into a part" and table.kind == "inherited":
            return [table.insert(self.choose, 1, into=table.parts[0])]
        if action == "drop column" and column and len(others) > 1 and column.name not in table.sorting:
            others.remove(column)
            table.columns.remove(column)
            return [f"ALTER TABLE {name} DROP COLUMN {quoted(column.name)}"]
        if action == "merge" and column:
            set_column = f"{quoted(column.name)} = {self.rng.choice(column.values)}"
            return [
                f"MERGE INTO {name} t USING (VALUES ({low}), ({low + 1})) AS s (id) ON t.id = s.id"
                f" WHEN MATCHED AND s.id = {low} THEN DELETE WHEN MATCHED THEN UPDATE SET {set_column}"
            ]
        if action == "upsert" and column and table.key:
            table.next = max(table.next - 1, 1)
            return [
                table.insert(self.choose, 1)
                + f" ON CONFLICT (id) DO UPDATE SET {quoted(column.name)} = excluded.{quoted(column.name)}"
            ]
        if action == "savepoint":
            return ["SAVEPOINT a", table.insert(self.choose, 1), "ROLLBACK TO a", table.insert(self.choose, 1)]
        if action == "copy" and column:
            other = f"INSERT INTO {name} (id, {quoted(column.name)}) SELECT id + 2000, {quoted(column.name)} FROM {name}"
            return [f"{other} WHERE id = {low}"]
        if action == "rolled back":
            return [table.insert(self.choose, 1), "ROLLBACK"]
        if action == "several":
            return [table.insert(self.choose, 1), f"DELETE FROM {name} WHERE id = {low}"] + ([update] if update else [])
        return []


def table_schema(part):
    return part.split('"."')[0].strip('"').replace('""', '"')


def table_name(part):
    return part.split('"."')[1].removesuffix('"').replace('""', '"')


def generate(server, version, choose):
    return Generator(server, version, choose).world()
