//! The known pitfalls of such an agent, with the tests that would notice each.

use crate::support::test_sources;

/// A pitfall, the tests, and what no test covers, with the reason.
const PITFALLS: &[(&str, &[&str], &str)] = &[
    (
        "a client's defaults send the token in plaintext",
        &[
            "a_server_without_tls_gets_no_byte_of_the_token_whatever_the_client_prefers",
            "a_server_without_tls_receives_nothing_whatever_the_client_prefers",
            "a_server_that_the_option_file_of_the_user_names_gets_no_token",
            "a_service_file_and_libpqs_demands_do_not_lead_past_the_endpoint",
            "the_command_for_psql_logs_in_over_tls_and_sends_a_server_without_it_nothing",
            "the_commands_for_clients_log_in_over_tls_and_send_a_server_without_it_nothing",
        ],
        "",
    ),
    (
        "a request to cancel reaches another backend",
        &[
            "one_of_twenty_sessions_is_cancelled_and_unknown_keys_cancel_none",
            "psql_18_cancels_its_own_session_with_a_key_of_32_bytes",
            "a_request_with_an_unknown_key_dials_nothing",
            "after_a_failover_new_connections_reach_the_new_address_and_open_sessions_end_with_an_error",
        ],
        "",
    ),
    (
        "NegotiateProtocolVersion comes before the authentication request, and notices before Ok",
        &["negotiation_and_keys_of_protocol_3_2_reach_the_client"],
        "a notice before Ok: no server of the lab sends one",
    ),
    (
        "an authentication request other than Ok is relayed to the client",
        &[
            "another_user_is_refused_by_the_agent_and_no_password_request_is_relayed",
            "a_user_without_rds_iam_is_explained_and_gets_no_token",
            "refusals_are_explained_in_the_client_with_the_cause_and_the_fix_of_check",
            "only_the_user_of_the_target_may_be_named_and_also_not_beside_it",
        ],
        "",
    ),
    (
        "startup parameters are lost",
        &[
            "startup_parameters_reach_the_server_unchanged",
            "pg_dump_and_pg_recvlogical_of_each_version_work",
            "the_server_gets_the_settings_of_the_client_and_not_its_proof",
        ],
        "the parameters of pgjdbc: tried by hand, because the lab has no Java",
    ),
    (
        "replication ends with the token, or with the agent",
        &[
            "a_replication_connection_streams_changes",
            "a_subscription_goes_on_after_a_restart_of_the_agent",
            "a_replica_of_mysql_goes_on_after_a_restart_of_the_agent",
            "a_replica_of_mariadb_10_11_goes_on_after_a_restart_of_the_agent",
            "a_replica_of_mariadb_11_8_goes_on_after_a_restart_of_the_agent",
            "dumps_and_readers_of_the_binary_log_need_no_flags_for_the_connection",
        ],
        "16 minutes of waiting, or a moved clock: each connection signs a token, so no earlier one is used",
    ),
    (
        "the capabilities of both sides differ",
        &[
            "a_session_of_pymysql_has_all_that_a_direct_one_has",
            "each_client_logs_in_to_each_server_over_tls",
            "each_client_of_mysql_logs_in_to_each_server",
            "the_offer_withholds_capabilities_and_keeps_the_rest",
        ],
        "Connector/J: tried by hand, because the lab has no Java",
    ),
    (
        "a packet of LOAD DATA LOCAL is taken for a command",
        &[
            "a_session_of_pymysql_has_all_that_a_direct_one_has",
            "a_sequence_number_that_returns_to_0_starts_no_request",
        ],
        "",
    ),
    (
        "COM_CHANGE_USER needs a new token; COM_RESET_CONNECTION does not",
        &[
            "a_session_of_pymysql_has_all_that_a_direct_one_has",
            "change_user_keeps_database_character_set_and_attributes",
        ],
        "MySqlConnector (.NET): the lab has no .NET",
    ),
    (
        "KILL QUERY has the id of another connection",
        &["an_interrupt_in_the_client_ends_the_query_on_the_server"],
        "",
    ),
    (
        "clients that leave early block the host at the server (max_connect_errors)",
        &[
            "a_session_of_pymysql_has_all_that_a_direct_one_has",
            "silent_clients_of_the_tcp_port_do_not_keep_a_good_one_waiting",
        ],
        "the block itself: the servers of the lab look up no names, so they count no errors of hosts; unfinished handshakes are counted instead",
    ),
    (
        "STS is down or slow, or the sessions of the role are revoked",
        &[
            "sts_can_be_stopped_for_20_minutes",
            "sts_can_hang_for_20_minutes",
            "a_role_that_refuses_ends_its_session",
            "a_session_whose_token_was_refused_is_renewed_at_most_once_in_a_while",
            "refusals_are_explained_in_psql_with_the_cause_and_the_fix_of_check",
        ],
        "",
    ),
    (
        "the credentials end before the token",
        &["lives_no_longer_than_its_credentials", "a_session_that_has_ended_is_not_used"],
        "",
    ),
    (
        "the machine was suspended",
        &[
            "a_clock_that_jumps_leaves_no_session_that_has_ended_and_no_lasting_failure",
            "it_is_renewed_at_half_of_its_lifetime",
        ],
        "",
    ),
    (
        "one side closes only in part, or without a word",
        &[
            "both_directions_are_copied_and_a_half_close_waits_for_the_answer",
            "a_server_that_never_closes_is_left_after_the_linger_and_at_once_if_the_client_has_gone",
            "a_client_that_is_killed_in_a_copy_leaves_no_backend_behind",
            "a_backend_that_is_terminated_says_so_in_the_client",
        ],
        "an hour without a byte: TCP keepalive is set, and not waited for",
    ),
    (
        "two agents, a socket that was left behind, a directory that is replaced, a long path",
        &[
            "a_second_agent_is_refused_and_an_agent_that_was_killed_is_replaced",
            "a_second_agent_is_refused_and_the_first_is_undisturbed",
            "a_directory_that_others_can_enter_and_a_link_are_refused",
            "a_path_that_is_too_long_is_refused_with_its_length",
        ],
        "",
    ),
    (
        "another user of the machine connects",
        &[
            "another_user_of_the_machine_cannot_reach_the_socket",
            "members_of_the_group_can_use_the_socket_and_others_cannot",
            "it_exists_only_on_request_and_has_the_access_rule_of_the_other_socket",
            "the_own_user_and_root_are_allowed_and_others_are_not",
        ],
        "",
    ),
    (
        "the password of the TCP port is guessed",
        &[
            "a_client_without_the_password_dials_nothing",
            "python_logs_in_with_the_url_and_no_other_password_is_accepted",
            "every_other_last_message_is_refused",
            "a_proof_is_accepted_for_its_password_scramble_and_plugin_only",
        ],
        "",
    ),
    (
        "many clients at once, or clients that say nothing",
        &[
            "pgbench_with_200_clients_logs_in_each_of_400_times_with_one_session_of_aws",
            "five_thousand_silent_clients_of_the_socket_cost_little_memory_and_a_good_one_is_served",
            "five_thousand_silent_clients_of_the_tcp_port_are_limited_and_a_good_one_is_served",
            "silent_clients_of_the_tcp_port_do_not_keep_a_good_one_waiting",
            "silent_clients_delay_a_new_one_by_a_second_and_only_as_many_places_are_taken_as_needed",
        ],
        "",
    ),
    (
        "signals, exit code, terminal and PID 1",
        &[
            "exec_ends_as_the_program_ends",
            "signals_for_exec_reach_the_program",
            "ctrl_c_in_psql_cancels_the_query_and_ends_neither_psql_nor_exec",
            "as_pid_1_exec_passes_signals_on_and_leaves_no_zombies",
        ],
        "",
    ),
    (
        "a token file is read while it is written",
        &[
            "a_reader_never_sees_a_part_and_the_mode_is_restored",
            "a_directory_that_others_can_change_is_refused_and_a_link_is_replaced",
        ],
        "",
    ),
    (
        "a reload or the end interrupts sessions",
        &[
            "a_reload_removes_a_target_adds_another_and_leaves_open_sessions_alone",
            "after_sigterm_open_sessions_end_by_themselves_and_the_exit_code_is_0",
            "checks_and_clients_share_a_session_of_aws_a_page_of_metrics_a_reload_and_the_end",
        ],
        "",
    ),
    (
        "bytes are changed or lost",
        &["bytes_are_the_same_in_both_directions", "bytes_after_a_stop_are_returned_and_the_session_goes_on"],
        "hostile first bytes: the fuzz targets agent_postgres and agent_mysql",
    ),
    (
        "the client of MariaDB demands TLS on a socket",
        &[
            "each_client_logs_in_to_each_server_over_tls",
            "dumps_and_readers_of_the_binary_log_need_no_flags_for_the_connection",
        ],
        "",
    ),
    (
        "a name has several addresses, or another one after a failover",
        &[
            "an_address_that_refuses_or_is_silent_does_not_matter_if_another_answers",
            "without_an_address_that_answers_both_are_named",
            "after_a_failover_new_connections_reach_the_new_address_and_open_sessions_end_with_an_error",
        ],
        "",
    ),
];

#[test]
fn every_named_test_exists() {
    let sources = test_sources();
    for (pitfall, tests, missing) in PITFALLS {
        assert!(!tests.is_empty(), "{pitfall}: {missing}");
        for test in *tests {
            assert!(sources.contains(&format!("fn {test}()")), "{pitfall}: there is no test {test}");
        }
    }
}
