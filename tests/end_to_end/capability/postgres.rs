use lab::{ACCESS_ROLE, Engine, Lab, ServerVersion};

use super::{Bench, Change, case};
use crate::support::server_versions;

fn is_always_there(server_version: ServerVersion) -> bool {
    server_version == ServerVersion::Postgres15
}

#[test]
fn postgres_of_the_distribution() {
    server_versions()
        .into_iter()
        .filter(|server_version| is_always_there(*server_version))
        .for_each(every_case);
}

#[test]
fn newer_postgres() {
    let others =
        server_versions().into_iter().filter(|l| l.engine() == Engine::Postgres && !is_always_there(*l));
    others.for_each(every_case);
}

const CREATE: &str = "CREATE PUBLICATION clickpipes_publication FOR ALL TABLES;";
const DROP: &str = "DROP PUBLICATION clickpipes_publication;";

fn every_case(server_version: ServerVersion) {
    use Change::{Nothing, Restart, Set, Sql, WalSendersTaken};
    let lab = Lab::start(&[server_version]).unwrap();
    let server = lab.instance(server_version);
    server.set(&[("rds.iam_auth_for_replication", "1")]).unwrap();
    let config = lab.target_toml("other", server, ACCESS_ROLE);

    let cases = vec![
        case("all in order", Nothing, "", "").cdc().no_row(),
        case("a pattern", Nothing, "", "").cdc().no_row().with_args(&["--table", "pub*.o*s"]),
        case("a pattern that matches nothing", Nothing, "DB_TABLES_READ", "fail DB_TABLES_MISSING")
            .blocked()
            .with_args(&["--table", "public.order_*"])
            .without_tables()
            .tables(&["public.order_items"]),
        case(
            "IAM for replication off",
            Set("rds.iam_auth_for_replication", "0", "1"),
            "PG_IAM_REPLICATION",
            "fail PG_REPLICATION_NOT_IAM",
        ),
        case("WAL not logical", Restart(&[("wal_level", "replica")]), "PG_WAL_LEVEL", "fail PG_WAL_LEVEL"),
        case(
            "no right to replicate",
            Sql(
                "ALTER ROLE clickpipes_iam_user NOREPLICATION; REVOKE rds_replication FROM clickpipes_iam_user;",
                "ALTER ROLE clickpipes_iam_user REPLICATION; GRANT rds_replication TO clickpipes_iam_user;",
            ),
            "PG_REPLICATION_RIGHT",
            "fail PG_NO_REPLICATION_RIGHT",
        ),
        case(
            "one WAL sender",
            Restart(&[("max_wal_senders", "1")]),
            "PG_WAL_SENDERS",
            "fail PG_MAX_WAL_SENDERS",
        ),
        case("no WAL sender free", WalSendersTaken("2"), "PG_WAL_SENDERS", "fail PG_NO_WAL_SENDER")
            .also("PG_IAM_REPLICATION", "not_reached"),
        case(
            "no slot free",
            Restart(&[("max_replication_slots", "0")]),
            "PG_REPLICATION_SLOTS",
            "fail PG_NO_REPLICATION_SLOT",
        ),
        case("no publication", Sql(DROP, CREATE), "PG_PUBLICATION", "fail PG_NO_PUBLICATION").publication(None),
        case("another publication", Nothing, "PG_PUBLICATION", "fail PG_NO_PUBLICATION")
            .with_args(&["--publication", "other"])
            .publication(Some("other")),
        case(
            "publication without the table",
            Sql(
                "DROP PUBLICATION clickpipes_publication; CREATE TABLE other (id int PRIMARY KEY);
                 CREATE PUBLICATION clickpipes_publication FOR TABLE other;",
                "DROP TABLE other; DROP PUBLICATION clickpipes_publication;
                 CREATE PUBLICATION clickpipes_publication FOR ALL TABLES;",
            ),
            "PG_PUBLICATION",
            "fail PG_PUBLICATION_LACKS_TABLES",
        )
        .with_args(&["--table", "public.orders", "--publication", "clickpipes_publication"]),
        case(
            "publication of inserts only",
            Sql(
                "ALTER PUBLICATION clickpipes_publication SET (publish = 'insert');",
                "ALTER PUBLICATION clickpipes_publication SET (publish = 'insert, update, delete, truncate');",
            ),
            "PG_PUBLICATION",
            "fail PG_PUBLICATION_LEAVES_OUT",
        ),
        case(
            "a publication of its own",
            Sql(
                "DROP PUBLICATION clickpipes_publication; ALTER TABLE orders OWNER TO clickpipes_iam_user;
                 GRANT CREATE ON DATABASE app TO clickpipes_iam_user;",
                "REVOKE CREATE ON DATABASE app FROM clickpipes_iam_user; ALTER TABLE orders OWNER TO rdsadmin;
                 GRANT SELECT ON orders TO clickpipes_iam_user;
                 CREATE PUBLICATION clickpipes_publication FOR ALL TABLES;",
            ),
            "",
            "",
        )
        .cdc()
        .no_row()
        .publication(None),
        case(
            "row-level security",
            Sql(
                "ALTER TABLE orders ENABLE ROW LEVEL SECURITY;",
                "ALTER TABLE orders DISABLE ROW LEVEL SECURITY;",
            ),
            "PG_ROW_SECURITY",
            "warn PG_ROW_SECURITY",
        )
        .cdc(),
        case(
            "no key",
            Sql(
                "ALTER TABLE orders DROP CONSTRAINT orders_pkey;",
                "ALTER TABLE orders ADD PRIMARY KEY (id);",
            ),
            "PG_REPLICA_IDENTITY",
            "fail PG_NO_REPLICA_IDENTITY",
        )
        .also("DB_ROW_KEY", "fail DB_NO_ROW_KEY")
        .blocked()
        .rule(),
        case(
            "no key, but all columns",
            Sql(
                "ALTER TABLE orders DROP CONSTRAINT orders_pkey; ALTER TABLE orders REPLICA IDENTITY FULL;",
                "ALTER TABLE orders ADD PRIMARY KEY (id); ALTER TABLE orders REPLICA IDENTITY DEFAULT;",
            ),
            "PG_TOAST",
            "pass",
        )
        .also("DB_ROW_KEY", "fail DB_NO_ROW_KEY")
        .blocked()
        .rule(),
        case("an excluded column", Nothing, "", "").no_row().cdc().with_args(&[
            "--table",
            "public.orders",
            "--excluded-column",
            "public.orders.customer",
        ]),
        // The stream has the column, but the copy in ClickHouse has not.
        case("an excluded key column", Nothing, "DB_EXCLUDED_KEY", "fail DB_KEY_COLUMN_EXCLUDED")
            .also("DB_ROW_KEY", "fail DB_NO_ROW_KEY")
            .blocked()
            .with_args(&["--table", "public.orders", "--excluded-column", "public.orders.id"])
            .rule(),
        case(
            "child tables, whose keys can be those of the parent",
            Sql(
                "CREATE TABLE orders_old (PRIMARY KEY (id)) INHERITS (orders);
                 CREATE TABLE orders_older (PRIMARY KEY (id)) INHERITS (orders_old);
                 INSERT INTO orders_older SELECT * FROM orders;
                 GRANT SELECT ON orders_old, orders_older TO clickpipes_iam_user;",
                "DROP TABLE orders_older, orders_old;",
            ),
            "DB_ROW_KEY",
            "warn DB_ROW_KEY_CHILDREN",
        )
        .cdc()
        .with_args(&["--table", "public.orders"]),
        case(
            "a column in INCLUDE of the key",
            Sql(
                "ALTER TABLE orders DROP CONSTRAINT orders_pkey; ALTER TABLE orders ADD PRIMARY KEY (id) INCLUDE (customer);",
                "ALTER TABLE orders DROP CONSTRAINT orders_pkey; ALTER TABLE orders ADD PRIMARY KEY (id);",
            ),
            "PG_KEY_INCLUDE",
            "warn PG_INCLUDED_COLUMNS",
        )
        .cdc(),
        case(
            "a filter of another publication on a column in INCLUDE of the key",
            Sql(
                "ALTER TABLE orders DROP CONSTRAINT orders_pkey; ALTER TABLE orders ADD PRIMARY KEY (id) INCLUDE (customer);
                 CREATE PUBLICATION filtered FOR TABLE orders WHERE (customer <> 'nobody');",
                "DROP PUBLICATION filtered;
                 ALTER TABLE orders DROP CONSTRAINT orders_pkey; ALTER TABLE orders ADD PRIMARY KEY (id);",
            ),
            "PG_PUBLICATION",
            "fail PG_PUBLICATION_BREAKS_WRITES",
        )
        .also("PG_KEY_INCLUDE", "warn PG_INCLUDED_COLUMNS"),
        case(
            "replica identity nothing",
            Sql(
                "ALTER TABLE orders REPLICA IDENTITY NOTHING;",
                "ALTER TABLE orders REPLICA IDENTITY DEFAULT;",
            ),
            "PG_REPLICA_IDENTITY",
            "fail PG_NO_REPLICA_IDENTITY",
        ),
        case(
            "unlogged",
            Sql("ALTER TABLE orders SET UNLOGGED;", "ALTER TABLE orders SET LOGGED;"),
            "PG_UNLOGGED",
            "fail PG_UNLOGGED",
        )
        .also("PG_PUBLICATION", "not_reached")
        .also("PG_TOAST", "pass"),
        case(
            "generated column",
            Sql(
                "ALTER TABLE orders ADD double numeric GENERATED ALWAYS AS (amount * 2) STORED;",
                "ALTER TABLE orders DROP double;",
            ),
            "PG_GENERATED",
            "warn PG_GENERATED",
        )
        .cdc(),
        case(
            "partitions published under their own names",
            Sql(
                "CREATE TABLE parts (id int PRIMARY KEY, customer text, amount int) PARTITION BY RANGE (id);
                 CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (1000);
                 ALTER TABLE parts ALTER id SET DEFAULT 1;
                 GRANT SELECT ON parts TO clickpipes_iam_user;
                 DROP PUBLICATION clickpipes_publication;
                 CREATE PUBLICATION clickpipes_publication FOR TABLE orders, parts;",
                "DROP TABLE parts; DROP PUBLICATION clickpipes_publication;
                 CREATE PUBLICATION clickpipes_publication FOR ALL TABLES;",
            ),
            "PG_PUBLICATION",
            "fail PG_PUBLICATION_LACKS_TABLES",
        )
        .with_args(&["--table", "public.parts", "--publication", "clickpipes_publication"])
        .tables(&["public.parts"]),
        case(
            "partitions of all tables",
            Sql(
                "CREATE TABLE parts (id int PRIMARY KEY, customer text, amount int) PARTITION BY RANGE (id);
                 CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (1000);
                 ALTER TABLE parts ALTER id SET DEFAULT 1;
                 GRANT SELECT ON parts TO clickpipes_iam_user;",
                "DROP TABLE parts;",
            ),
            "",
            "",
        )
        .cdc()
        .no_row()
        .tables(&["public.parts"]),
        case(
            "SELECT revoked",
            Sql(
                "REVOKE SELECT ON orders FROM clickpipes_iam_user;",
                "GRANT SELECT ON orders TO clickpipes_iam_user;",
            ),
            "DB_TABLES_READ",
            "fail DB_TABLES_UNREADABLE",
        )
        .blocked()
        .without_tables(),
        case(
            "SELECT on some columns",
            Sql(
                "REVOKE SELECT ON orders FROM clickpipes_iam_user;
                 GRANT SELECT (id, customer) ON orders TO clickpipes_iam_user;",
                "REVOKE SELECT (id, customer) ON orders FROM clickpipes_iam_user;
                 GRANT SELECT ON orders TO clickpipes_iam_user;",
            ),
            "DB_TABLES_READ",
            "fail DB_TABLES_UNREADABLE",
        )
        .blocked()
        .without_tables(),
        case(
            "USAGE revoked",
            Sql(
                "REVOKE USAGE ON SCHEMA public FROM PUBLIC, clickpipes_iam_user;",
                "GRANT USAGE ON SCHEMA public TO PUBLIC, clickpipes_iam_user;",
            ),
            "DB_TABLES_READ",
            "fail DB_TABLES_UNREADABLE",
        )
        .blocked()
        .without_tables(),
        case("a table that is not there", Nothing, "DB_TABLES_READ", "fail DB_TABLES_MISSING")
            .blocked()
            .with_args(&["--table", "public.nowhere"])
            .without_tables()
            .tables(&["public.nowhere"]),
        case(
            "little WAL kept",
            Set("max_slot_wal_keep_size", "1GB", "-1"),
            "PG_SLOT_WAL_KEEP",
            "warn PG_SLOT_WAL_KEEP",
        )
        .cdc(),
    ];
    Bench::new(&lab, server, server, config).run_each(cases);
}
