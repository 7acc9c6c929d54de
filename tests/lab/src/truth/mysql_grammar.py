"""Random worlds for MySQL and MariaDB: CREATE TABLE, CREATE USER, GRANT, roles and global variables as the documentation of MySQL
9.7 and MariaDB 10.11 and 11.8 has them."""

from dataclasses import dataclass, field

from mysql import quoted
from world import Pipe, World, sorting_keys

USER = "'clickpipes_iam_user'@'%'"

# A type, and expressions of values that differ.
TYPES = {
    "varchar(30)": ["'a'", "'b\\n\\t'", "''", "NULL", "'ÿ€😀'"],
    "char(5)": ["'ab'", "'c '"],
    "text": ["'a'", "REPEAT('x', 9000)", "NULL"],
    "longtext": ["REPEAT('long', 30000)"],
    "tinyint": ["-128", "127"],
    "tinyint unsigned": ["255"],
    "tinyint(1)": ["1", "0"],
    "smallint unsigned": ["65535", "1"],
    "mediumint": ["-8388608", "1"],
    "int unsigned": ["4294967295"],
    "bigint": ["-9223372036854775808", "1"],
    "bigint unsigned": ["18446744073709551615", "1"],
    "decimal(20,6)": ["1.5", "-12345678901234.000001"],
    "float": ["0.1", "1e30"],
    "double": ["0.1", "1e-300"],
    "bit(9)": ["b'101010101'", "b'1'"],
    "date": ["'2024-02-29'", "'1000-01-01'"],
    "datetime": ["'2024-01-01 12:34:56'", "'9999-12-31 23:59:59'"],
    "datetime(6)": ["'2024-01-01 12:34:56.123456'"],
    "timestamp NULL": ["'2024-06-01 00:00:00'", "'1970-01-02 00:00:01'"],
    "timestamp(3) NULL": ["'2024-06-01 00:00:00.5'"],
    "time": ["'-12:34:56'", "'838:59:59'"],
    "time(3)": ["'01:02:03.004'"],
    "year": ["2024", "1901"],
    "enum('s','m','l')": ["'s'", "'l'"],
    "set('a','b','c')": ["'a,c'", "''"],
    "json": ["""'{"a": [1, null, "x"]}'""", "'[]'", "'\"text\"'"],
    "blob": ["x'00ff'", "''"],
    "binary(4)": ["x'01020304'", "x'01000000'"],
    "varbinary(10)": ["x'00'", "x'ff00'"],
    "varchar(20) CHARACTER SET latin1": ["'é'"],
    "varchar(20) COLLATE utf8mb4_bin": ["'A'"],
    "varchar(20) CHARACTER SET utf8mb3": ["'é€'"],
    "varchar(20) CHARACTER SET cp1251": ["'я'"],
    "int(6) zerofill": ["42"],
    "bit(1)": ["b'1'", "b'0'"],
    "decimal(30,10) unsigned": ["12345678901234567890.0000000001"],
    "tinytext": ["'t'"],
    "mediumblob": ["x'00'", "REPEAT('b', 70000)"],
}
MARIADB_TYPES = {
    "uuid": ["'11111111-2222-4333-8444-555555555555'", "'6ccd780c-baba-1026-9564-5b8c656024db'", "NULL"],
    "inet4": ["'10.0.0.1'", "'10.1.0.0'"],
    "inet6": ["'2001:db8::1'", "'::ffff:10.0.0.1'", "'fe80::'"],
}
ODD = {
    "space": "we ird", "upper": "Mixed", "quote": "quo`te", "dot": "dot.ted", "newline": "new\nline", "tab": "tab\tname",
    "joiner": "zero\u200bwidth", "bom": "\ufeffbom", "keyword": "select", "apostrophe": "it's", "backslash": "back\\slash",
    "percent": "per%cent", "underscore": "_", "star": "a*b", "long": "l" * 64, "double quote": 'dou"ble', "dollar": "$t",
}


@dataclass
class Column:
    name: str
    type: str
    values: list
    generated: bool = False


@dataclass
class Table:
    schema: str
    name: str
    kind: str
    columns: list = field(default_factory=list)
    key: str = "primary"
    writable: bool = True
    next: int = 1
    parent: object = None
    # Columns of its sorting key in ClickHouse, if that is not the primary key.
    sorting: list = field(default_factory=list)

    def has_key(self):
        return self.key != "none" and self.kind not in ("view", "sequence", "CSV")

    def sql(self):
        return quoted(self.schema, self.name)

    def insert(self, choose, count=1):
        columns = [column for column in self.columns if not column.generated]
        rows = []
        for _ in range(count):
            values = [str(self.next) if c.name == "id" else choose.rng.choice(c.values) for c in columns]
            if self.parent:
                values[-1] = choose.rng.choice(["1", "2", "NULL"])
            self.next += 1
            rows.append(f"({', '.join(values)})")
        names = ", ".join(quoted(column.name) for column in columns)
        return f"INSERT INTO {self.sql()} ({names}) VALUES {', '.join(rows)}"


class Generator:
    def __init__(self, server, version, choose):
        self.server, self.version = server, version
        self.mariadb = server.startswith("mariadb")
        self.rng, self.choose = choose.rng, choose
        self.setup, self.settings, self.tables = [], [], []
        self.start, self.standby = [], None
        # Schema, table and name of columns.
        self.not_granted = []

    def world(self):
        self.arrangement()
        self.user()
        self.schema = self.choose("schema", ("app", 84), ("my-shop", 6), ("Shop", 4), ("quo`te", 3), ("per%cent", 3))
        if self.schema != "app":
            self.add(f"CREATE DATABASE {quoted(self.schema)}")
        native = self.start == [["innodb-native-foreign-keys", "ON"]]
        for number in range(self.choose("tables", (1, 60), (2, 30), (3, 10))):
            self.table(number, "child of foreign key" if native and not number else None)
        if not any(table.writable for table in self.tables):
            self.table(9, "plain")
        self.privileges()
        self.variables()
        pipe = self.pipe()
        return World(self.server, pipe, self.setup, self.workload(), self.settings, self.start, self.standby, choices=self.choose.made)

    def add(self, *statements):
        self.setup.extend(statements)

    # Servers

    def arrangement(self):
        """Settings that need another start of the server."""
        own = [("log-slave-updates=ON", 1)] if self.mariadb else [("innodb-native-foreign-keys=ON", 4), ("gtid-mode=OFF", 2)]
        start = self.choose(
            "server start", ("usual", 300), ("skip-log-bin=", 3), ("binlog-do-db=app", 2), ("binlog-do-db=other", 2),
            ("binlog-ignore-db=app", 2), ("replica", 3), ("replica that does not log", 3), *own
        )
        if start == "usual":
            return
        name = "log-slave-updates" if self.mariadb else "log-replica-updates"
        if start.startswith("replica"):
            self.standby = [[name, "OFF" if start != "replica" else "ON"]]
        else:
            self.start = [start.split("=")]

    # Users

    def user(self):
        option = self.choose(
            "user option", ("none", 92), ("REQUIRE SSL", 2), ("REQUIRE X509", 1), ("WITH MAX_USER_CONNECTIONS 1", 1), ("WITH MAX_USER_CONNECTIONS 4", 1),
            ("WITH MAX_USER_CONNECTIONS 50", 1), ("ACCOUNT LOCK", 1), ("WITH MAX_QUERIES_PER_HOUR 3", 1),
            ("WITH MAX_CONNECTIONS_PER_HOUR 1", 1), ("PASSWORD EXPIRE", 1), ("COMMENT 'pipe'", 1),
        )
        plugin = "IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS'"
        self.add(f"CREATE USER {USER} {plugin}" + (f" {option}" if option != "none" else ""))
        # The server uses the account with the most specific host.
        other = self.choose("other account", ("none", 96), ("of this host", 2), ("anonymous", 2))
        if other == "of this host":
            self.add(f"CREATE USER 'clickpipes_iam_user'@'127.0.0.1' {plugin}")
        elif other == "anonymous":
            self.add(f"CREATE USER ''@'127.0.0.1' {plugin}")

    def privileges(self):
        schemas = sorted({table.schema for table in self.tables})
        way = self.choose(
            "select", ("databases", 66), ("each table", 8), ("everywhere", 5), ("columns", 5), ("default role", 4),
            ("role that is not default", 4), ("all but one", 4), ("pattern", 4),
        )
        grantee = USER
        if way in ("default role", "role that is not default"):
            self.add("CREATE ROLE readers")
            grantee = "readers"
        if way in ("databases", "default role", "role that is not default"):
            self.add(*(f"GRANT SELECT ON {quoted(schema)}.* TO {grantee}" for schema in schemas))
        elif way == "everywhere":
            self.add(f"GRANT SELECT ON *.* TO {USER}")
        elif way == "pattern":
            self.add(*(f"GRANT SELECT ON {quoted(schema[:2] + '%')}.* TO {USER}" for schema in schemas))
        elif way in ("each table", "all but one"):
            tables = self.tables[1:] if way == "all but one" else self.tables
            self.add(*(f"GRANT SELECT ON {table.sql()} TO {USER}" for table in tables if table.kind != "temporary"))
        elif way == "columns":
            for table in self.tables:
                names = [column.name for column in table.columns]
                if len(names) > 2:
                    self.not_granted.append([table.schema, table.name, names[-1]])
                    names = names[:-1]
                if names:
                    self.add(f"GRANT SELECT ({', '.join(map(quoted, names))}) ON {table.sql()} TO {USER}")
        if grantee != USER:
            self.add(f"GRANT readers TO {USER}")
            if way == "default role":
                self.add(f"SET DEFAULT ROLE readers {'FOR' if self.mariadb else 'TO'} {USER}")
        for name, weight in (("REPLICATION CLIENT", 97), ("REPLICATION SLAVE", 97)):
            how = self.choose(name.lower(), ("granted", weight), ("missing", 2), ("by role", 1))
            if how == "granted":
                self.add(f"GRANT {name} ON *.* TO {USER}")
            elif how == "by role":
                self.add("CREATE ROLE IF NOT EXISTS replicators", f"GRANT {name} ON *.* TO replicators", f"GRANT replicators TO {USER}")
        if self.mariadb and self.choose("replica monitor", ("granted", 95), ("missing", 5)) == "granted":
            self.add(f"GRANT REPLICA MONITOR ON *.* TO {USER}")
        retention = self.choose("retention", ("unreadable", 88), ("readable", 6), ("unset", 3), ("short", 3))
        if retention != "unreadable":
            value = {"readable": "72", "unset": "NULL", "short": "12"}[retention]
            self.add(
                f"UPDATE mysql.rds_configuration SET value = {value} WHERE name = 'binlog retention hours'",
                f"GRANT SELECT ON mysql.rds_configuration TO {USER}",
            )

    # Tables

    def table(self, number, kind=None):
        kinds = [
            ("plain", 56), ("partitioned", 12), ("child of foreign key", 12), ("view", 3), ("temporary", 1), ("MyISAM", 3), ("MEMORY", 2),
            ("BLACKHOLE", 1), ("ARCHIVE", 1), ("CSV", 1), ("trigger", 3), ("COMPRESSED row format", 1),
        ]
        if self.mariadb:
            kinds += [
                ("system versioned", 6), ("explicit system time", 3), ("application time", 2), ("sequence", 2), ("Aria", 2),
                ("compressed column", 2), ("versioned column", 2),
            ]
        kind = kind or self.choose("kind", *kinds)
        if kind == "child of foreign key" and not self.parents():
            self.table(number + 10, "plain")
        odd = self.choose("table name", ("plain", 92), *((name, 0.5) for name in ODD))
        name = f"t{number}" if odd == "plain" or any(t.name == ODD[odd] for t in self.tables) else ODD[odd]
        table = Table(self.schema, name, kind)
        self.tables.append(table)
        if kind == "view":
            base = next((t for t in self.tables if t.writable and t is not table and t.columns), None)
            self.add(f"CREATE VIEW {table.sql()} AS SELECT {'* FROM ' + base.sql() if base else '1 AS id'}")
            table.writable = False
            return
        if kind == "sequence":
            self.add(f"CREATE SEQUENCE {table.sql()}")
            table.writable = False
            return
        table.columns = [Column("id", "int", [])]
        for i in range(self.rng.randint(1, 3)):
            column = self.choose("column name", (f"c{i}", 95), ("Odd Col", 2), ("c`q", 1), ("user", 1), ("été", 1))
            if any(c.name == column for c in table.columns):
                column = f"c{i}"
            types = TYPES | MARIADB_TYPES if self.mariadb else TYPES
            kind_of_column = self.choose("type", *types)
            table.columns.append(Column(column, kind_of_column, types[kind_of_column]))
        generated = self.choose("generated column", ("none", 88), ("STORED", 6), ("VIRTUAL", 6))
        if generated != "none":
            table.columns.append(Column("gen", f"int GENERATED ALWAYS AS (id * 2) {generated}", [], True))
        self.create(table)
        self.add(table.insert(self.choose, self.rng.randint(1, 3)))
        if kind == "trigger":
            self.trigger(table)

    def parents(self):
        """Tables that a foreign key can reference."""
        keys, kinds = ("primary", "auto increment"), ("plain", "child of foreign key")
        return [table for table in self.tables if table.kind in kinds and table.key in keys and table.columns]

    def create(self, table):
        lines = [f"{quoted(column.name)} {column.type}" for column in table.columns]
        key = self.choose("key", ("primary", 76), ("none", 10), ("unique", 6), ("composite", 4), ("auto increment", 4))
        table.key = key
        if self.choose("hidden column", ("none", 93), ("INVISIBLE", 7)) == "INVISIBLE":
            default = "" if " NULL" in table.columns[1].type else " NULL"
            lines[1] += f"{default} INVISIBLE"
        if key == "auto increment":
            lines[0] += " AUTO_INCREMENT"
        if key in ("primary", "auto increment"):
            lines.append("PRIMARY KEY (id)")
        elif key == "unique":
            lines[0] += " NOT NULL"
            lines.append("UNIQUE (id)")
        elif key == "composite":
            lines.append("second int NOT NULL DEFAULT 7")
            lines.append("PRIMARY KEY (second, id)")
        suffix = ""
        kind = table.kind
        if kind == "child of foreign key":
            parent = next((t for t in self.parents() if t is not table), None)
            if parent:
                delete = self.choose("on delete", "CASCADE", "SET NULL", "NO ACTION")
                update = self.choose("on update", "CASCADE", "NO ACTION")
                lines.append(f"parent int, FOREIGN KEY (parent) REFERENCES {parent.sql()} (id) ON DELETE {delete} ON UPDATE {update}")
                table.columns.append(Column("parent", "int", ["NULL"]))
                table.parent = parent
        elif kind == "partitioned":
            by = self.choose("partition by", "RANGE", "LIST", "HASH", "KEY", "RANGE and HASH")
            suffix = {
                "RANGE": " PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (3), PARTITION p1 VALUES LESS THAN MAXVALUE)",
                "LIST": " PARTITION BY LIST (id) (PARTITION p0 VALUES IN (" + ", ".join(map(str, range(0, 60))) + "))",
                "HASH": " PARTITION BY HASH (id) PARTITIONS 3",
                "KEY": " PARTITION BY KEY (id) PARTITIONS 2",
                "RANGE and HASH": " PARTITION BY RANGE (id) SUBPARTITION BY HASH (id) SUBPARTITIONS 2 (PARTITION p0 VALUES LESS THAN (3), PARTITION p1 VALUES LESS THAN MAXVALUE)",
            }[by]
        elif kind in ("MyISAM", "MEMORY", "BLACKHOLE", "ARCHIVE", "CSV", "Aria"):
            suffix = f" ENGINE = {kind}"
            if kind == "CSV":
                lines = [line.replace(" AUTO_INCREMENT", "").replace(" INVISIBLE", "") + " NOT NULL" if line.startswith("`") and "NULL" not in line else line for line in lines if "KEY" not in line]
            if kind == "MEMORY":
                pass
        elif kind == "COMPRESSED row format":
            suffix = " ROW_FORMAT = COMPRESSED"
        elif kind == "system versioned":
            suffix = " WITH SYSTEM VERSIONING"
        elif kind == "versioned column":
            lines[1] += " WITH SYSTEM VERSIONING"
        elif kind == "explicit system time":
            hidden = self.choose("system time columns", ("INVISIBLE", 1), ("", 1))
            lines += [
                f"began TIMESTAMP(6) GENERATED ALWAYS AS ROW START {hidden}".rstrip(),
                f"ended TIMESTAMP(6) GENERATED ALWAYS AS ROW END {hidden}".rstrip(),
                "PERIOD FOR SYSTEM_TIME (began, ended)",
            ]
            suffix = " WITH SYSTEM VERSIONING"
        elif kind == "application time":
            lines += ["s DATE NOT NULL DEFAULT '2024-01-01'", "e DATE NOT NULL DEFAULT '2025-01-01'", "PERIOD FOR valid (s, e)"]
        elif kind == "compressed column":
            lines.append("squeezed text COMPRESSED")
            table.columns.append(Column("squeezed", "text", ["REPEAT('z', 500)", "'a'"]))
        words = "TEMPORARY " if kind == "temporary" else ""
        if kind == "temporary":
            table.writable = False
        self.add(f"CREATE {words}TABLE {table.sql()} ({', '.join(lines)}){suffix}")

    def trigger(self, table):
        log = Table(table.schema, f"log{len(self.tables)}", "trigger's table", [Column("id", "int", []), Column("what", "varchar(9)", ["'x'"])])
        self.tables.append(log)
        self.add(
            f"CREATE TABLE {log.sql()} (id int AUTO_INCREMENT PRIMARY KEY, what varchar(9))",
            f"CREATE TRIGGER {quoted(table.schema, 'after_' + table.name[:20])} AFTER INSERT ON {table.sql()} FOR EACH ROW"
            f" INSERT INTO {log.sql()} (what) VALUES ('new')",
        )
        log.next = 1000

    # Settings, which are global: they are put back after the world

    def variables(self):
        common = [
            ("none", 78), ("server_id=0", 2), ("binlog_row_image=MINIMAL", 2), ("binlog_row_image=NOBLOB", 1), ("binlog_row_metadata=MINIMAL", 2),
            ("binlog_format=STATEMENT", 1), ("binlog_format=MIXED", 1), ("binlog_expire_logs_seconds=3600", 1),
            ("binlog_expire_logs_seconds=0", 1), ("max_allowed_packet=1048576", 1), ("read_only=1", 1),
            ("binlog_cache_size=4096", 1), ("lc_messages=fr_FR", 2), ("binlog_checksum=NONE", 2), ("time_zone=+09:00", 1),
            ("character_set_server=latin1", 1), ("foreign_key_checks=0", 1), ("sql_mode=ANSI", 1), ("max_user_connections=1", 1),
            ("sql_mode=NO_BACKSLASH_ESCAPES", 1),
        ]
        if self.mariadb:
            common += [
                ("log_bin_compress=1", 6), ("system_versioning_insert_history=1", 1), ("sql_if_exists=1", 1), ("gtid_strict_mode=0", 1),
                ("binlog_annotate_row_events=0", 1), ("innodb_compression_default=1", 1),
            ]
        else:
            common += [
                ("binlog_transaction_compression=1", 6), ("gtid_mode=ON_PERMISSIVE", 2), ("binlog_row_value_options=PARTIAL_JSON", 2),
                ("sql_generate_invisible_primary_key=1", 2), ("activate_all_roles_on_login=1", 2), ("mandatory_roles=readers", 1),
                ("partial_revokes=1", 1), ("binlog_rows_query_log_events=1", 1), ("super_read_only=0", 1),
            ]
        chosen = self.choose("global variable", *common)
        if chosen != "none":
            self.settings.append(chosen.split("="))
            if chosen.startswith("log_bin_compress"):
                self.settings.append(["log_bin_compress_min_len", "10"])

    # The pipe and the application

    def pipe(self):
        named = self.choose("pipe tables", ("all written", 76), ("one", 14), ("not chosen", 10))
        tables = [table for table in self.tables if table.kind != "temporary"]
        if self.choose("views in the pipe", ("no", 96), ("yes", 4)) == "no":
            tables = [table for table in tables if table.kind not in ("view", "sequence")] or tables
        pairs = [[table.schema, table.name] for table in tables]
        pairs = pairs[:1] if named == "one" else [] if named == "not chosen" else pairs
        mode = self.choose("mode", ("", 85), ("cdc", 10), ("snapshot", 5))
        mechanism = self.choose("mechanism", ("gtid", 92), ("file_pos", 0 if self.mariadb else 8))
        other = "rdsmysql" if self.mariadb else "rdsmariadb"
        type_of_source = self.choose("type of the source", ("of the server", 98), ("other engine", 2))
        excluded = self.excluded(tables, pairs)
        in_pipe = [table for table in tables if [table.schema, table.name] in pairs]
        return Pipe(
            type=other if type_of_source == "other engine" else "", tables=pairs, mode=mode,
            mechanism="file_pos" if mechanism == "file_pos" else "gtid", excluded=excluded, sorting=self.sorting(in_pipe, excluded),
        )

    def sorting(self, tables, excluded):
        """Sorting keys in ClickHouse. A table without a primary key needs one."""
        chosen = []
        for table in tables:
            if "*" in table.name:
                # It is a usage error: a pattern is not accepted here.
                continue
            others = [c for c in table.columns[1:] if not c.generated and c.name != "parent" and [table.schema, table.name, c.name] not in excluded]
            chosen += sorting_keys(self.choose, table, others, excluded)
        return chosen

    def excluded(self, tables, pairs):
        """Columns that the pipe leaves out. The engine reads all columns when it validates, so they must be readable too."""
        options = [("those without privilege", 6), ("none", 4)] if self.not_granted else [("none", 94), ("one", 6)]
        chosen = self.choose("excluded columns", *options)
        some = self.not_granted if chosen == "those without privilege" else []
        if chosen == "one":
            some = [[t.schema, t.name, self.rng.choice(t.columns[1:]).name] for t in tables if len(t.columns) > 2 and "*" not in t.name]
        return [column for column in some if not pairs or column[:2] in pairs]

    def workload(self):
        transactions = []
        for table in [table for table in self.tables if table.writable]:
            transactions.append([table.insert(self.choose, self.rng.randint(1, 3))])
            others = [column for column in table.columns[1:] if not column.generated and column.name != "parent"]
            for _ in range(self.rng.randint(1, 4)):
                action = self.choose(
                    "statement", ("update", 34), ("delete", 18), ("insert", 14), ("update the key", 6), ("truncate", 2), ("add column", 4),
                    ("rolled back", 4), ("replace", 4), ("delete all", 2), ("several", 4), ("upsert", 4), ("delete a parent", 8),
                    ("drop column", 2), ("copy", 3), ("savepoint", 2), ("update several tables", 2),
                )
                transactions.append(self.statement(action, table, others))
        way = self.choose("XA", ("none", 94), ("committed", 2), ("rolled back", 2), ("prepared before the pipe starts", 2))
        written = [table for table in self.tables if table.writable and table.columns and not table.parent]
        if way != "none" and written:
            start = ["XA START 'truth'", written[0].insert(self.choose), "XA END 'truth'", "XA PREPARE 'truth'"]
            if way == "prepared before the pipe starts":
                self.add(";\n".join(start))
                transactions.insert(0, ["XA COMMIT 'truth'"])
            else:
                transactions.append([*start, "XA COMMIT 'truth'" if way == "committed" else "XA ROLLBACK 'truth'"])
        for table in self.tables:
            if table.parent and self.rng.random() < 0.6:
                transactions.append([f"DELETE FROM {table.parent.sql()} WHERE id IN (1, 2)"])
        return [transaction for transaction in transactions if transaction]

    def statement(self, action, table, others):
        name, low = table.sql(), self.rng.randint(1, max(table.next - 1, 1))
        column = self.rng.choice(others) if others else None
        update = f"UPDATE {name} SET {quoted(column.name)} = {self.rng.choice(column.values)} WHERE id >= {low}" if column else ""
        if action == "update":
            return [update] if update else []
        if action == "delete":
            return [f"DELETE FROM {name} WHERE id = {low}"]
        if action == "delete all":
            return [f"DELETE FROM {name}"]
        if action == "insert":
            return [table.insert(self.choose, 2)]
        if action == "update the key":
            return [f"UPDATE {name} SET id = {self.rng.randint(500, 10000)} WHERE id = {low}"]
        if action == "delete a parent" and table.parent:
            return [f"DELETE FROM {table.parent.sql()} WHERE id = {self.rng.choice([1, 2])}"]
        if action == "truncate":
            return [f"TRUNCATE TABLE {name}"]
        if action == "add column":
            added = f"added{self.rng.randint(0, 999)}"
            return [f"ALTER TABLE {name} ADD COLUMN {added} varchar(9)", f"UPDATE {name} SET {added} = 'new' WHERE id >= {low}"]
        if action == "drop column" and column and len(others) > 1 and column.name not in table.sorting:
            table.columns.remove(column)
            others.remove(column)
            return [f"ALTER TABLE {name} DROP COLUMN {quoted(column.name)}"]
        if action == "copy" and column:
            return [f"INSERT INTO {name} (id, {quoted(column.name)}) SELECT id + 2000, {quoted(column.name)} FROM {name} WHERE id = {low}"]
        if action == "savepoint":
            return ["SAVEPOINT a", table.insert(self.choose, 1), "ROLLBACK TO a", table.insert(self.choose, 1)]
        if action == "update several tables" and update:
            other = self.rng.choice([t for t in self.tables if t.writable and t.columns])
            set_column = f"a.{quoted(column.name)} = {self.rng.choice(column.values)}"
            return [f"UPDATE {name} a JOIN {other.sql()} b ON a.id = b.id SET {set_column} WHERE a.id >= {low}"]
        if action == "rolled back":
            return [table.insert(self.choose, 1), "ROLLBACK"]
        if action == "replace":
            return [table.insert(self.choose, 1).replace("INSERT INTO", "REPLACE INTO", 1)]
        if action == "upsert":
            table.next = max(table.next - 1, 1)
            return [table.insert(self.choose, 1) + " ON DUPLICATE KEY UPDATE id = id + 1000"]
        if action == "several":
            return [table.insert(self.choose, 1), f"DELETE FROM {name} WHERE id = {low}"] + ([update] if update else [])
        return []


def generate(server, version, choose):
    return Generator(server, version, choose).world()
