//! The same refusals from servers whose messages are not English, and not UTF-8. The code, the cause and the number of logins
//! must not depend on the language.

use lab::{Engine, Instance, Lab, ServerVersion};

use crate::support::{Run, skipped, text};

/// One refusal: how to make it, and how to undo it.
struct Refusal {
    make: &'static str,
    undo: &'static str,
    args: &'static [&'static str],
    cause: &'static str,
    /// What the cause is called if the text cannot be read.
    in_another_language: &'static str,
}

const fn refusal(cause: &'static str, make: &'static str, undo: &'static str) -> Refusal {
    Refusal { make, undo, args: &[], cause, in_another_language: cause }
}

/// Every refusal that a statement or an argument makes.
const POSTGRES: &[Refusal] = &[
    Refusal { args: &["--sign-port", "1"], ..refusal("PG_TOKEN_REFUSED", "", "") },
    Refusal { args: &["--database", "nowhere"], ..refusal("PG_NO_DATABASE", "", "") },
    Refusal {
        in_another_language: "PG_ROLE_REFUSED",
        ..refusal(
            "PG_NO_LOGIN",
            "ALTER ROLE clickpipes_iam_user NOLOGIN",
            "ALTER ROLE clickpipes_iam_user LOGIN",
        )
    },
    refusal(
        "PG_NO_CONNECT",
        "REVOKE CONNECT ON DATABASE app FROM PUBLIC",
        "GRANT CONNECT ON DATABASE app TO PUBLIC",
    ),
    refusal(
        "PG_ROLE_LIMIT",
        "ALTER ROLE clickpipes_iam_user CONNECTION LIMIT 0",
        "ALTER ROLE clickpipes_iam_user CONNECTION LIMIT -1",
    ),
    refusal(
        "PG_DATABASE_LIMIT",
        "ALTER DATABASE app CONNECTION LIMIT 0",
        "ALTER DATABASE app CONNECTION LIMIT -1",
    ),
    refusal(
        "PG_DATABASE_CLOSED",
        "UPDATE pg_database SET datallowconn = false WHERE datname = 'app'",
        // No session can be opened there, so another statement of the open one cannot undo it.
        "",
    ),
];

const MYSQL: &[Refusal] = &[
    Refusal { args: &["--sign-port", "1"], ..refusal("MYSQL_TOKEN_REFUSED", "", "") },
    Refusal { args: &["--database", "nowhere"], ..refusal("MYSQL_NO_DATABASE", "", "") },
    refusal(
        "MYSQL_ACCOUNT_LOCKED",
        "ALTER USER clickpipes_iam_user ACCOUNT LOCK",
        "ALTER USER clickpipes_iam_user ACCOUNT UNLOCK",
    ),
    refusal(
        "MYSQL_USER_LIMIT",
        "ALTER USER clickpipes_iam_user WITH MAX_CONNECTIONS_PER_HOUR 1",
        "ALTER USER clickpipes_iam_user WITH MAX_CONNECTIONS_PER_HOUR 0",
    ),
];

/// Checks every refusal on this server; returns their messages.
fn refusals(lab: &Lab, server: &Instance, is_english: bool) -> Vec<String> {
    let refusals = match server.server_version.engine() {
        Engine::Postgres => POSTGRES,
        Engine::Mysql | Engine::MariaDb => MYSQL,
    };
    let mut messages = Vec::new();
    for refusal in refusals {
        if !refusal.make.is_empty() {
            server.sql(refusal.make).unwrap();
        }
        if refusal.cause == "MYSQL_USER_LIMIT" {
            let _ = Run::check(lab, &[&server.name]).json(); // the one connection of this hour
        }
        let answer = Run::check(lab, &[&server.name])
            .more(&refusal.args.iter().map(ToString::to_string).collect::<Vec<_>>())
            .json();
        let cause = if is_english { refusal.cause } else { refusal.in_another_language };
        let row = answer.fails_at("AUTH_LOG_IN", cause);
        messages.push(text(&row["found"]).to_owned());
        if !refusal.undo.is_empty() {
            server.sql(refusal.undo).unwrap();
        }
    }
    messages
}

/// The token is tried twice in every language, so the retry does not read the text either.
fn is_retried(lab: &Lab, server: &Instance) -> bool {
    let before = server.decisions().len();
    let _ = Run::check(lab, &[&server.name, "--sign-port", "1"]).json();
    server.decisions().len() - before == 2
}

fn in_languages(server_version: ServerVersion, languages: &[(&str, &str)]) {
    if let Err(why) = lab::obtain(server_version) {
        assert!(!server_version.is_always_there(), "{why}");
        return skipped(why);
    }
    let lab = Lab::start(&[server_version]).unwrap();
    let english = {
        let server = lab.instance(server_version);
        refusals(&lab, server, true)
    };
    for (locale, character_set) in languages {
        let lab = Lab::start(&[server_version]).unwrap();
        let server = lab.instance(server_version);
        if let Err(why) = server.restart_in(locale, character_set) {
            skipped(format!("{server_version} in {locale}: {why}"));
            continue;
        }
        assert_eq!(
            is_retried(&lab, server),
            server_version.engine() != Engine::Mysql,
            "{server_version} in {locale}"
        );
        let translated = refusals(&lab, server, false);
        let differ = english.iter().zip(&translated).filter(|(a, b)| a != b).count();
        // MySQL and MariaDB have translations of older messages only.
        let least = if server_version.engine() == Engine::Postgres { english.len() } else { 2 };
        assert!(differ >= least, "{server_version} does not speak {locale}: {translated:#?}");
        eprintln!(
            "{server_version}: {} refusals in {locale} ({character_set}), {differ} translated: {}",
            translated.len(),
            translated[0]
        );
    }
}

#[test]
fn a_postgres_refusal_has_the_same_cause_in_every_language() {
    let languages = [("fr_FR", "ISO-8859-1"), ("ja_JP.eucJP", "EUC-JP"), ("de_DE.UTF-8", "UTF-8")];
    in_languages(ServerVersion::Postgres15, &languages);
}

#[test]
fn a_mysql_refusal_has_the_same_cause_in_every_language() {
    for server_version in [ServerVersion::MariaDb10_11, ServerVersion::Mysql9_7] {
        in_languages(server_version, &[("fr_FR", ""), ("ja_JP", "")]);
    }
}
