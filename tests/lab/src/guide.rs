//! The commands of the ClickPipes guides, verbatim. The lab shows that they work.

/// The database (PostgreSQL) or schema (MySQL, MariaDB) that holds the customer's tables.
pub const DATABASE: &str = "app";

/// The user the guide names.
pub const USER: &str = "clickpipes_iam_user";

/// "AWS IAM DB Authentication", database user, PostgreSQL.
pub const POSTGRES_USER: &str = "CREATE USER clickpipes_iam_user;
GRANT rds_iam TO clickpipes_iam_user;
";

/// "AWS IAM DB Authentication", database user, MySQL and MariaDB.
pub const MYSQL_USER: &str =
    "CREATE USER 'clickpipes_iam_user' IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS';
";

/// "Postgres RDS source setup", for that user.
pub const POSTGRES_GRANTS: &str = r#"GRANT USAGE ON SCHEMA "public" TO clickpipes_iam_user;
GRANT SELECT ON ALL TABLES IN SCHEMA "public" TO clickpipes_iam_user;
ALTER DEFAULT PRIVILEGES IN SCHEMA "public" GRANT SELECT ON TABLES TO clickpipes_iam_user;
GRANT rds_replication TO clickpipes_iam_user;
CREATE PUBLICATION clickpipes_publication FOR ALL TABLES;
"#;

/// "MySQL RDS source setup", for that user.
pub const MYSQL_GRANTS: &str = "CALL mysql.rds_set_configuration('binlog retention hours', 72);
GRANT SELECT ON `app`.* TO 'clickpipes_iam_user'@'%';
GRANT REPLICATION CLIENT ON *.* TO 'clickpipes_iam_user'@'%';
GRANT REPLICATION SLAVE ON *.* TO 'clickpipes_iam_user'@'%';
";

/// A grant that the guide omits: ClickPipes' engine runs `SHOW REPLICA STATUS`, which MariaDB allows only with REPLICA MONITOR
/// since 10.5.9. The guide's REPLICATION CLIENT is only BINLOG MONITOR there.
pub const MARIADB_BEYOND_THE_GUIDE: &str = "GRANT REPLICA MONITOR ON *.* TO 'clickpipes_iam_user'@'%';
";
