"""Compares what `check` said with what happened. It knows the report's JSON only, and nothing of how pipeprobe decides."""

import json
import re
from collections import Counter
from dataclasses import dataclass, field, replace

CDC, LOAD, BLOCKED = "cdc", "initial_load_only", "blocked"


@dataclass
class Loss:
    """What the copy lacks, or has and should not."""

    table: str
    cause: str
    columns: list = field(default_factory=list)
    detail: str = ""

    def __str__(self):
        columns = f" ({', '.join(self.columns)})" if self.columns else ""
        return f"{self.cause} in {self.table}{columns} {self.detail}".strip()


@dataclass
class Outcome:
    """What really happened."""

    # Why the tables could not be copied.
    load_error: str = ""
    # Why the changes could not be followed.
    cdc_error: str = ""
    # Statements of the application that failed because of the replication setup.
    broken: list = field(default_factory=list)
    losses: list = field(default_factory=list)
    # Without chosen tables: table and reason, of those that cannot be in a pipe.
    unusable: dict = field(default_factory=dict)
    # The same, of those that can only be copied.
    load_only: dict = field(default_factory=dict)

    def truth(self):
        if self.load_error:
            return "no load"
        if self.cdc_error:
            return "load only"
        if self.broken:
            return "breaks the application"
        if self.losses:
            return "loss"
        return "equal"


@dataclass
class Verdict:
    capability: str
    rows: list
    # The checks that decided.
    blocked_by: tuple = ()
    error: str = ""
    # What the report says that is not replicated.
    not_replicated: tuple = ()

    @classmethod
    def of(cls, text, names):
        """Reads the report. `names` has the field names, which are pipeprobe's to change."""
        document = json.loads(text)
        if not document["targets"]:
            # A usage error: the pipe cannot even be written down.
            return cls(BLOCKED, [], (), json.dumps(document["errors"], ensure_ascii=False))
        report = document["targets"][0]
        verdict = report["verdict"]
        not_replicated = tuple(verdict["not_replicated"])
        blocked_by = tuple(verdict[names.blocked_by])
        return cls(verdict[names.capability], report[names.checks], blocked_by, not_replicated=not_replicated)

    def advises(self, publication):
        """Whether the report says to use this publication."""
        rows = (row for row in self.rows if row["code"] == "PG_PUBLICATION" and row["outcome"] in ("pass", "warn"))
        return any(f"{publication} has " in (row["found"] or "") or f"--publication {publication})" in (row["remedy"] or "") for row in rows)

    def excludes(self, table):
        """Whether a finding says that this table cannot be in the pipe."""
        rows = [row for row in self.findings(Names) if row["cause"] not in VALUES]
        if re.fullmatch(r"[\w.]+", table):
            names = rf"(?<![\w.]){re.escape(table)}(?!\w)"
            return any(re.search(names, text) for row in rows for text in (row["found"] or "", *row["listed"]))
        return is_named(rows, table, [], "")

    def findings(self, names):
        """The rows that do not simply pass. One that does not apply with this basis explains nothing, whatever words it has."""
        return [row for row in self.rows if row["applies"] and row[names.outcome] in names.findings]


# What the engine of ClickPipes ignores on any database, and the word for it in the report of a database that allows CDC. The judge
# applies TRUNCATE (if it is published) and changes of a primary key, so that it also sees other losses. No workload drops a partition.
IGNORED = {"truncate not published": "TRUNCATE", "XA ROLLBACK": "XA ROLLBACK", "XA PREPARE before the start": "prepared when the pipe starts"}


class Names:
    """The names in pipeprobe's report."""

    capability = "server"
    blocked_by = "blocked_by"
    checks = "checks"
    outcome = "outcome"
    findings = ("warn", "fail", "unknown", "note")


# What an initial load alone can lose.
AT_LOAD = ("rows hidden at load", "rows with the same sorting key")

# A finding must name the cause. The words are those of the servers' documentation. A loss whose cause is not here has no
# explanation, so no finding excuses it.
WORDS = {
    "unchanged TOAST value": r"TOAST|unchanged",
    "generated column": r"generated",
    "column not published": r"column list|publish|generated",
    "later column not published": r"column list",
    "rows hidden at load": r"row.?level security|row security|polic",
    "delete not published": r"delete",
    "unlogged or foreign partition": r"unlogged|foreign",
    "row filter": r"row filter",
    "cascade not in the log": r"foreign key|CASCADE",
    "system versioning": r"system.?version",
    "rows not stored": r"storage engine",
    "published as its root": r"partitioned table",
    "hidden column": r"invisible|hidden",
    "key column excluded": r"excluded",
    "child table not published": r"child table",
    "column in INCLUDE of the key": r"INCLUDE",
    "rows with the same sorting key": r"without a unique key",
    "changes with the same sorting key": r"without a unique key",
    "sorting key not in a DELETE": r"a DELETE does not send",
    "sorting key column changed": r"leaves the old row",
    "column cannot be dropped": r"DROP COLUMN",
    "slot lost in a pause": r"max_slot_wal_keep_size|idle_replication_slot_timeout",
}
SORTING = ("rows with the same sorting key", "changes with the same sorting key", "sorting key not in a DELETE", "sorting key column changed")
WHOLE_TABLE = ("system versioning", "rows not stored", "key column excluded", "column in INCLUDE of the key", "cascade not in the log", "child table not published", *SORTING)
# Findings that explain a loss of values or rows. They do not say that a table cannot be copied or followed.
VALUES = {"DB_ROW_KEY_CHILDREN", "DB_SORTING_KEY_CHANGES", "PG_UNCHANGED_TOAST", "PG_GENERATED", "PG_ROW_SECURITY", "MARIADB_GENERATED"}
# The pipe waits and then works, however long that takes. A finding must say so.
WAITS = "the slot waits for an open transaction"


# What a workload of a few statements does not always touch: rows outside a filter, columns outside a list, kinds of changes
# that are not published, writes to one of many partitions, and tables whose changes are not logged. A verdict below CDC for these causes alone is right.
STRUCTURAL = {
    # Whether two rows differ only in that column.
    "DB_KEY_COLUMN_EXCLUDED",
    "DB_SORTING_KEY_MERGES",
    "DB_SORTING_KEY_NOT_SENT",
    # A standby does not show it.
    "PG_WAL_LEVEL_OF_PRIMARY",
    "PG_PARENT_AND_PART",
    "MYSQL_CASCADES",
    "MARIADB_SYSTEM_VERSIONED",
    "PG_UNLOGGED",
    "PG_UNLOGGED_PART",
    "MYSQL_NOT_A_TABLE",
    "MYSQL_ROWS_ELSEWHERE",
    "PG_PUBLICATION_VIA_ROOT",
    "PG_PUBLICATION_ROW_FILTER",
    "PG_PUBLICATION_COLUMN_LIST",
    "PG_PUBLICATION_LEAVES_OUT",
    "PG_PUBLICATION_LACKS_CHILDREN",
    "PG_PUBLICATION_BREAKS_WRITES",
    "PG_NO_REPLICA_IDENTITY",
    "PG_FULL_WITH_GENERATED",
}


@dataclass
class Problem:
    """A disagreement. `kind` is the same for the same fault in another world."""

    kind: str
    text: str


def disagreements(verdict, outcome, pipe):
    """Empty if check told the truth."""
    capability = verdict.capability
    if capability != CDC and not reasons(verdict) and pipe.mode != "snapshot":
        return [Problem(f"{capability} without a reason", "no check failed: a user cannot know what to change")]
    if outcome.load_error:
        if capability == BLOCKED:
            return []
        wrong = "wrong CDC" if capability == CDC else "wrong Initial Load Only"
        return [Problem(f"{wrong}: cannot load {code(outcome.load_error)}", outcome.load_error)]
    if capability == BLOCKED:
        return [Problem(f"wrong Blocked: {causes(verdict)}", f"the tables can be copied; {blocked_by(verdict)}")]
    found = [
        Problem(f"silent: cannot be copied {code(why)}", f"{table}: {why}")
        for table, why in outcome.unusable.items()
        if not verdict.excludes(table)
    ]
    hidden = [loss for loss in outcome.losses if loss.cause in AT_LOAD]
    if capability == LOAD:
        untouched = all(row["cause"] in STRUCTURAL for row in deciding(verdict))
        if pipe.mode != "snapshot" and outcome.truth() == "equal" and not outcome.load_only and not untouched:
            found.append(Problem(f"wrong Initial Load Only: {causes(verdict)}", blocked_by(verdict)))
        return found + silent(verdict, hidden)
    if outcome.cdc_error == WAITS and any("open transaction" in (row["found"] or "") for row in verdict.findings(Names)):
        return found
    if outcome.cdc_error:
        return found + [Problem(f"wrong CDC: {code(outcome.cdc_error)}", outcome.cdc_error)]
    for table, why in outcome.load_only.items():
        if not verdict.excludes(table):
            found.append(Problem(f"wrong CDC: {code(why)}", f"{table}: {why}"))
    if outcome.broken:
        found.append(Problem(f"wrong CDC: application fails {code(outcome.broken[0])}", "; ".join(outcome.broken)))
    return found + silent(verdict, outcome.losses)


def reasons(verdict):
    """The rows that say why the verdict is less than CDC. A row that was not reached says nothing."""
    least = (CDC, LOAD, BLOCKED).index(verdict.capability)
    is_reason = lambda row: (
        row["applies"] and counts(row) and row["outcome"] != "not_reached" and (CDC, LOAD, BLOCKED).index(SEVERITIES[row["severity"]]) >= least
    )
    return verdict.error or [row for row in verdict.rows if is_reason(row)]


# ClickPipes goes on without an answer to these, so an unknown result changes no verdict.
UNKNOWN_IS_ADVISORY = {"MYSQL_ACCOUNT_LIMITS", "MYSQL_BINLOG_RETENTION", "MYSQL_HOURLY_LIMITS", "PG_CONNECTION_LIMITS"}
SEVERITIES = {"advisory": CDC, "blocks_cdc": LOAD, "blocks": BLOCKED}


def counts(row):
    """Whether this result can change a verdict."""
    return row["outcome"] in ("fail", "not_reached") or row["outcome"] == "unknown" and row["code"] not in UNKNOWN_IS_ADVISORY


def capability_checks(verdict):
    return sorted(row["code"] for row in verdict.rows if row["group"] == "capability")


def noticed_mutants(verdict, outcome, pipe):
    """The checks that found something here, and without which the report would be wrong: as if each always passed."""
    if disagreements(verdict, outcome, pipe):
        return []
    return [
        row["code"]
        for row in verdict.findings(Names)
        if row["code"] in capability_checks(verdict) and disagreements(without(verdict, row), outcome, pipe)
    ]


def without(verdict, row):
    """The report if this check had passed. Rows that were not reached stay so."""
    rows = [{**row, "outcome": "pass", "cause": None, "found": "", "listed": [], "remedy": ""} if other is row else other for other in verdict.rows]
    counted = [other for other in rows if other["applies"] and counts(other)]
    capability = max((SEVERITIES[other["severity"]] for other in counted), key=(CDC, LOAD, BLOCKED).index, default=CDC)
    # An unknown result can have no effect. A check that passes never makes the verdict worse.
    capability = min(capability, verdict.capability, key=(CDC, LOAD, BLOCKED).index)
    blocked_by = tuple(other["code"] for other in counted if SEVERITIES[other["severity"]] == capability)
    return replace(verdict, capability=capability, rows=rows, blocked_by=blocked_by)


def code(error):
    """The code at the end of a server's error, or a rule's words without names."""
    match = re.search(r"\((\w+)\)$", error)
    return match[1] if match else re.sub(r"^.*?: |\S*[.\d]\S*", "", error).strip()[:60]


def deciding(verdict):
    return [row for row in verdict.rows if row["code"] in verdict.blocked_by]


def causes(verdict):
    """The first cause; the others often follow from it."""
    return next((row["cause"] for row in deciding(verdict)), "usage error")


def silent(verdict, losses):
    return [Problem(f"silent loss: {loss.cause}", str(loss)) for loss in losses if not is_excused(verdict, loss)]


def is_excused(verdict, loss):
    if loss.cause in IGNORED:
        return any(IGNORED[loss.cause] in text for text in verdict.not_replicated)
    if loss.cause not in WORDS:
        return False
    # A column that does not exist yet cannot be named, and some causes are about the whole table.
    columns = [] if loss.cause in ("later column not published", *WHOLE_TABLE) else loss.columns
    return is_named(verdict.findings(Names), loss.table, columns, WORDS[loss.cause])


def is_named(rows, table, columns, words):
    for row in rows:
        text = json.dumps(row, ensure_ascii=False)
        plain = skeleton(text)
        if (
            skeleton(table.split(".", 1)[-1]) in plain
            and all(skeleton(column) in plain for column in columns)
            and re.search(words, text, re.IGNORECASE)
        ):
            return True
    return False


def skeleton(name):
    """Letters and digits only: a report may escape or quote the rest."""
    return re.sub(r"\\u[0-9a-f]{4}|\\[nrt]|\W|_", "", name)


def blocked_by(verdict):
    return verdict.error or "; ".join(f"{row['cause']}: {row['found']}" for row in deciding(verdict))[:300]


def compare(table, source, copy, cause, key, first_columns):
    """Losses of one table. Both are pairs of column names and rows (dicts). `cause` explains a difference: `missing` or `differ`
    and the column, or `rows` and how many are missing and too many. `key`: the columns of the primary key, or []."""
    losses = []
    source_columns, source_rows = source
    copy_columns, copy_rows = copy
    # An added column reaches the copy with the first row that has a value in it. Until then its values are NULL in both.
    is_lost = lambda column: column in first_columns or any(row[column] is not None for row in source_rows)
    missing = [column for column in source_columns if column not in copy_columns and is_lost(column)]
    losses += by_cause(table, "missing", missing, cause)
    columns = [column for column in source_columns if column in copy_columns]
    ours, theirs = as_multiset(source_rows, columns), as_multiset(copy_rows, columns)
    if ours == theirs:
        return losses
    if set(key) <= set(columns) and key:
        return losses + compare_by_key(table, source_rows, copy_rows, columns, cause, key)
    differing = differing_columns(source_rows, copy_rows, columns)
    if differing:
        examples = ", ".join(example(source_rows, copy_rows, column) for column in differing)
        losses += by_cause(table, "differ", differing, cause, examples)
    else:
        losses += rows_differ(table, cause, sum((ours - theirs).values()), sum((theirs - ours).values()))
    return losses


def compare_by_key(table, source_rows, copy_rows, columns, cause, key):
    """Rows with the same key differ by column; the others are missing or too many. One table can lose both."""
    losses = []
    of = lambda row: tuple(row.get(name) for name in key)
    ours, theirs = Counter(map(of, source_rows)), Counter(map(of, copy_rows))
    lacking, extra = sum((ours - theirs).values()), sum((theirs - ours).values())
    if lacking or extra:
        losses += rows_differ(table, cause, lacking, extra)
    copies = {of(row): row for row in copy_rows}
    pairs = [(row, copies[of(row)]) for row in source_rows if of(row) in copies]
    differing = [name for name in columns if any(row.get(name) != other.get(name) for row, other in pairs)]
    examples = ", ".join(example(*zip(*pairs), column) for column in differing)
    return losses + by_cause(table, "differ", differing, cause, examples)


def without_a_key(schema, table):
    """The engine's rule for the table in ClickHouse."""
    return f"cannot determine ORDER BY key from source table {schema}.{table}; empty sort key is not supported"


class Sorted:
    """The rows of a table in ClickHouse with a sorting key that is not its primary key: the last row of each sorting key stays."""

    def __init__(self, rows, sorting, primary):
        self.sorting, self.primary = sorting, primary
        # Why the copy is not as the source.
        self.causes = set()
        # Rows of the copy that the source no longer has.
        self.left = []
        self.rows = last_of_each_key(rows, sorting)
        if len(self.rows) < len(rows):
            self.causes.add("rows with the same sorting key")

    def of(self, row):
        return tuple(row.get(name) for name in self.sorting)

    def find(self, row, names):
        """The row of the copy that has the same values in these columns: one that the source has too, if there is one."""
        same = [other for other in self.rows if all(other.get(name) == row.get(name) for name in names)]
        return next((other for other in same if not self.is_left(other)), same[0] if same else None)

    def is_left(self, row):
        return any(other is row for other in self.left)

    def insert(self, new, instead_of=None):
        other = self.find(new, self.sorting)
        if other is not None and other is not instead_of and not self.is_left(other):
            self.causes.add("changes with the same sorting key")
        self.remove(other)
        self.rows.append(new)

    def update(self, old, new):
        """The engine adds the new row only. Changes of a primary key are an exception of the judge, and all reports name them."""
        changed = {name for name in self.sorting if old is not None and old.get(name) != new.get(name)}
        if changed and changed <= set(self.primary):
            self.remove(old)
        elif changed:
            self.causes.add("sorting key column changed")
            self.left.append(old)
        self.insert(new, old)

    def delete(self, old, known):
        """`known`: the columns whose values a DELETE has."""
        if not set(self.sorting) <= set(known):
            self.causes.add("sorting key not in a DELETE")
            self.left.append(self.find(old, known))
            return
        self.remove(self.find(old, self.sorting))

    def remove(self, row):
        self.rows[:] = [other for other in self.rows if other is not row]

    def cause(self):
        """The most serious one."""
        return next((cause for cause in SORTING if cause in self.causes), "")


def last_of_each_key(rows, key):
    """What ClickHouse keeps of rows with the same sorting key. Without a key column all rows have the same."""
    return list({tuple(row.get(name) for name in key): row for row in rows}.values())


def rows_differ(table, cause, lacking, extra):
    return [Loss(table, cause("rows", (lacking, extra)), [], f"{lacking} rows missing, {extra} too many")]


def example(source_rows, copy_rows, column):
    """A value that the copy lacks, and one that it should not have."""
    ours, theirs = (Counter(repr(row.get(column)) for row in rows) for rows in (source_rows, copy_rows))
    first = lambda values: str(next(iter(values), ""))[:40]
    return f"{column}: {first(ours - theirs)} became {first(theirs - ours)}"


def by_cause(table, kind, columns, cause, examples=""):
    causes = {}
    for column in columns:
        causes.setdefault(cause(kind, column), []).append(column)
    return [Loss(table, why, some, f"{kind} {examples}".strip()) for why, some in causes.items()]


def as_multiset(rows, columns):
    return Counter(tuple(row.get(column) for column in columns) for row in rows)


def differing_columns(source_rows, copy_rows, columns):
    """The fewest columns without which the rows are equal; [] if the rows themselves differ."""
    if len(source_rows) != len(copy_rows):
        return []
    differing = []
    rest = list(columns)
    for column in columns:
        same = sorted(map(repr, (row.get(column) for row in source_rows)))
        if same != sorted(map(repr, (row.get(column) for row in copy_rows))):
            differing.append(column)
            rest.remove(column)
    if differing and rest and as_multiset(source_rows, rest) == as_multiset(copy_rows, rest):
        return differing
    return []
