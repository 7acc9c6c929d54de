//! Wrong verdicts, harmful remedies and misleading causes that were found in earlier versions, with the tests that would notice each.

use std::{fs, path::Path};

use crate::support::test_sources;

/// A fault, and the tests: functions, files in `tests`, cases of `capability`, or rows of `faults.md`.
const FAULTS: &[(&str, &[&str])] = &[
    ("a row filter loses rows", &["checks/postgres-publication-row-filter.toml"]),
    ("a column list loses columns", &["checks/postgres-publication-column-list.toml"]),
    (
        "a list without the key, or a filter on another column, makes the DELETE of the application fail",
        &[
            "checks/postgres-publication-breaks-writes.toml",
            "a filter of another publication on a column in INCLUDE of the key",
        ],
    ),
    (
        "FOR TABLE ONLY leaves out child tables",
        &[
            "checks/postgres-publication-lacks-child-tables.toml",
            "truth/cases/postgres-child-table-not-published.toml",
        ],
    ),
    (
        "a publication without DELETE or TRUNCATE is a note",
        &[
            "checks/postgres-publication-without-deletes.toml",
            "truth/cases/postgres-publication-without-truncate.toml",
        ],
    ),
    (
        "a publication without INSERT or UPDATE is a failure",
        &["publication of inserts only", "checks/postgres-publication-lacks-one-and-leaves-out-updates.toml"],
    ),
    ("FOR ALL TABLES is billed for every table", &["checks/postgres-publication-for-all-tables.toml"]),
    ("published generated columns need no warning", &["checks/postgres-18-generated-columns-published.toml"]),
    (
        "replica identity belongs to the leaf",
        &[
            "checks/postgres-partition-without-identity.toml",
            "checks/postgres-partition-without-identity-among-others.toml",
            "replica identity nothing",
            "a_table_without_replica_identity_is_not_published",
        ],
    ),
    ("a key that cannot serve does not count", &["checks/postgres-replica-identity-index-dropped.toml"]),
    (
        "unchanged TOAST values are lost",
        &["checks/postgres-toast.toml", "truth/cases/postgres-silent-loss-unchanged-toast-value-3e77dc.toml"],
    ),
    (
        "ClickPipes has no external id",
        &[
            "an_external_id_counts_only_if_the_role_needs_it",
            "an_external_id_that_is_not_needed_does_not_matter",
            "an_external_id_is_required_of_others_but_not_of_clickpipes",
        ],
    ),
    (
        "ClickPipes has no sign_host or sign_port",
        &["checks/clickpipes-sign-host.toml", "checks/clickpipes-sign-port.toml"],
    ),
    (
        "ClickPipes reads the Region from the name",
        &[
            "checks/clickpipes-global-writer.toml",
            "checks/clickpipes-china.toml",
            "checks/clickpipes-cname.toml",
            "the_region_is_read_as_the_engine_does",
        ],
    ),
    (
        "a role of another partition",
        &[
            "checks/clickpipes-govcloud.toml",
            "a_role_of_another_partition_does_not_get_a_principal_that_it_cannot_name",
        ],
    ),
    (
        "an Aurora MySQL reader behind another endpoint",
        &["checks/aurora-mysql-reader-behind-instance-endpoint.toml", "a reader"],
    ),
    (
        "a Limitless shard group and Aurora DSQL",
        &["checks/aurora-postgres-shard-group.toml", "dsql_is_recognized"],
    ),
    (
        "a standby does not show wal_level of its primary",
        &[
            "checks/postgres-standby-primary-unknown.toml",
            "a_standby_does_not_show_the_wal_level_of_its_primary",
            "truth/cases/postgres-standby-with-a-slot.toml",
        ],
    ),
    (
        "GTID is the default of a pipe, and FILE_POS must be enabled",
        &[
            "checks/mysql-gtid-off-auto.toml",
            "checks/mysql-gtid-off-permissive-auto.toml",
            "checks/mysql-gtid-off-mechanism-file-pos.toml",
            "checks/mariadb-file-pos.toml",
            "no GTIDs",
        ],
    ),
    (
        "gtid-mode changes one step at a time",
        &["setup/rdsmysql-cdc.txt", "the_script_of_setup_runs_with_the_aws_cli_for_mysql_and_mariadb"],
    ),
    (
        "membership is not inheritance",
        &[
            "checks/postgres-replication-not-inherited.toml",
            "checks/postgres-15-replication-not-inherited-by-catalogue.toml",
            "truth/cases/postgres-wrong-cdc-42501-4b180c.toml",
        ],
    ),
    (
        "a role of MySQL that is not a default role",
        &[
            "checks/mysql-role-not-default.toml",
            "checks/mariadb-role-not-default.toml",
            "SELECT in a role that is not a default role",
        ],
    ),
    ("default_transaction_read_only of the role", &["checks/postgres-publication-read-only-by-default.toml"]),
    (
        "an account that may open too few connections",
        &[
            "two connections at a time",
            "checks/mysql-account-connections-per-hour.toml",
            "checks/postgres-role-connection-limit.toml",
        ],
    ),
    (
        "system-versioned tables",
        &["checks/mariadb-system-versioned-only.toml", "checks/mariadb-system-versioned-some.toml"],
    ),
    ("views and sequences never stream", &["a view", "a sequence"]),
    (
        "a name with a dot",
        &["a name with a dot", "checks/postgres-tables-one-unreadable-one-with-a-dot.toml"],
    ),
    (
        "a pipe of PostgreSQL reads the columns that are left, and of MySQL all",
        &[
            "truth/cases/postgres-excluded-column-without-privilege.toml",
            "truth/cases/mysql-excluded-column-without-privilege.toml",
        ],
    ),
    (
        "names with invisible characters are used as they are",
        &[
            "names with a tab, a newline, a zero-width joiner and a BOM",
            "checks/postgres-table-name-with-a-newline.toml",
        ],
    ),
    (
        "500 unreadable tables do not hide the others",
        &["520 unreadable tables", "checks/postgres-tables-more-than-500.toml"],
    ),
    (
        "names in the search_path of the user change no answer",
        &["truth/cases/postgres-wrong-blocked-db-no-tables-07157d.toml"],
    ),
    (
        "filters of the binary log",
        &["a binary log of another database", "a binary log that ignores the database"],
    ),
    ("idle_replication_slot_timeout", &["checks/postgres-18-idle-slot-timeout.toml"]),
    (
        "an open transaction makes the creation of the slot hang",
        &["checks/postgres-open-transaction.toml", "truth/cases/postgres-open-transaction.toml"],
    ),
    (
        "messages in other languages, also in bytes that are not UTF-8",
        &[
            "a_postgres_refusal_has_the_same_cause_in_every_language",
            "a_mysql_refusal_has_the_same_cause_in_every_language",
        ],
    ),
    ("GRANT rds_iam breaks the login of an RDS Proxy", &["a_proxy_that_requests_a_password_gets_no_grant"]),
    ("a name of a blue/green deployment disappears", &["a_name_of_a_blue_green_deployment_is_no_tls_host"]),
    (
        "the database that was opened is named",
        &[
            "a_database_that_was_not_named_is_named_in_the_report",
            "checks/postgres-no-tables-default-database.toml",
        ],
    ),
    (
        "IAM rejects the whole document for one principal",
        &[
            "lint/principal-among-nonsense.toml",
            "lint/principal-malformed-for-others.toml",
            "lint/principal-with-a-wildcard-among-others.toml",
        ],
    ),
    ("a deleted principal beside a valid one", &["lint/principal-deleted-among-others.toml"]),
    (
        "an account that is restricted by aws:PrincipalArn",
        &["lint/principal-is-an-account-with-its-arn.toml"],
    ),
    (
        "an answer in another format is not unreachable",
        &["what_answers_in_place_of_sts_is_named", "the_kind_of_an_answer_is_named_without_its_content"],
    ),
    ("a token without a role needs no network", &["a_token_without_a_role_is_signed_without_the_network"]),
    ("a user name can contain braces", &["braces_can_be_part_of_a_name"]),
    (
        "a tunnel as host signs for the wrong port",
        &["a tunnel as host, postgres15", "a tunnel as host, mariadb10_11", "checks/clickpipes-tunnel.toml"],
    ),
    (
        "AWS names the policy that denies sts:TagSession",
        &["the_policy_that_aws_names_is_the_cause", "sts_refusals_have_their_causes"],
    ),
    (
        "a limit of the account is not max_connections",
        &["the role has no connection left", "the database has no connection left"],
    ),
    (
        "a provider of credentials that fails is named",
        &["a_provider_is_named_with_profile_kind_and_file", "a_failure_has_the_kind_of_its_provider"],
    ),
    (
        "certificates without SAN, and intermediate ones",
        &[
            "a certificate without subjectAltName, PostgreSQL",
            "an intermediate certificate that is not sent, MariaDB",
            "an intermediate certificate that has expired, MySQL",
        ],
    ),
    ("a retry locks no account", &["a_refused_token_is_not_sent_twice_to_mysql"]),
    ("the printed remedy makes the check pass", &["the_printed_remedy_makes_the_check_pass"]),
];

#[test]
fn every_named_test_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    // This list is no test of what it names.
    let sources = test_sources().replace(include_str!("known_faults.rs"), "");
    let rows = fs::read_to_string(root.join("end_to_end/faults.md")).unwrap();
    for (fault, tests) in FAULTS {
        for test in *tests {
            let is_there = root.join(test).is_file()
                || sources.contains(&format!("fn {test}()"))
                || sources.contains(&format!("\"{test}\",\n"))
                || sources.contains(&format!("(\"{test}\", "))
                || rows.contains(&format!("| {test} |"));
            assert!(is_there, "{fault}: there is no test {test}");
        }
    }
}
