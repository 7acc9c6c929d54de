use std::{
    io::{Read, Write},
    process::{Child, Command, Stdio},
    time::Duration,
};

use lab::{ACCESS_ROLE, Engine, Instance, ServerVersion};
use lab_aws::World;
use serde_json::{Value, json};

use super::{
    Fault, fault,
    network::{from_another_address, relay},
};
use crate::support::Run;

/// The access role's one identity policy is this statement.
fn basis(world: &mut World, statement: &Value) {
    let role = world.roles.iter_mut().find(|role| role.arn == ACCESS_ROLE).unwrap();
    role.identity_policies = vec![json!({ "Version": "2012-10-17", "Statement": [statement] })];
}

fn allow(action: &str, resource: &str) -> Value {
    json!({ "Effect": "Allow", "Action": action, "Resource": resource })
}

/// The server refuses every policy that is not right alike.
fn policy_fault(
    (what, engine): (&str, &str),
    server_version: ServerVersion,
    cause: &'static str,
    statement: impl Fn(&Instance) -> Value + 'static,
) -> Fault {
    const TO_DO: &str = "allow rds-db:connect on arn:aws:rds-db:us-east-1:123456789012:dbuser:<db-…>";
    let name: &'static str = format!("{what}, {engine}").leak();
    fault(name, "AUTH_LOG_IN", cause, TO_DO).on(server_version).lab(move |lab, instance| {
        lab.aws().change(|world| basis(world, &statement(instance)));
        None
    })
}

/// Everything a policy can have wrong.
fn policies(engine: &str, server_version: ServerVersion, cause: &'static str) -> Vec<Fault> {
    let (connect, account, user) = ("rds-db:connect", "123456789012", "clickpipes_iam_user");
    let dbuser = |region: &str, account: &str, id: &str, user: &str| {
        format!("arn:aws:rds-db:{region}:{account}:dbuser:{id}/{user}")
    };
    vec![
        policy_fault(("a policy for another database", engine), server_version, cause, move |_| {
            allow(connect, &dbuser("us-east-1", account, "db-ANOTHER", user))
        }),
        policy_fault(
            ("a policy with the instance's name for its resource id", engine),
            server_version,
            cause,
            move |i| allow(connect, &dbuser("us-east-1", account, &i.name, user)),
        ),
        policy_fault(("a policy for another user", engine), server_version, cause, move |i| {
            allow(connect, &dbuser("us-east-1", account, &i.resource_id, "other"))
        }),
        policy_fault(("a policy for another Region", engine), server_version, cause, move |i| {
            allow(connect, &dbuser("eu-west-1", account, &i.resource_id, user))
        }),
        policy_fault(("a policy for another account", engine), server_version, cause, move |i| {
            allow(connect, &dbuser("us-east-1", "210987654321", &i.resource_id, user))
        }),
        policy_fault(("a policy for rds: instead of rds-db:", engine), server_version, cause, move |i| {
            allow(connect, &format!("arn:aws:rds:us-east-1:{account}:db:{}", i.resource_id))
        }),
        policy_fault(("a policy for another action", engine), server_version, cause, move |i| {
            allow("rds:connect", &dbuser("us-east-1", account, &i.resource_id, user))
        }),
        policy_fault(("a policy that denies", engine), server_version, cause, move |i| {
            let resource = dbuser("us-east-1", account, &i.resource_id, user);
            json!({ "Effect": "Deny", "Action": connect, "Resource": resource })
        }),
        policy_fault(
            ("no policy at all", engine),
            server_version,
            cause,
            |_| json!({ "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*" }),
        ),
    ]
}

/// What is in the token, and not as the server has it.
fn tokens(engine: &str, server_version: ServerVersion, cause: &'static str) -> Vec<Fault> {
    let name = |what: &str| -> &'static str { format!("{what}, {engine}").leak() };
    vec![
        fault(
            name("a token signed for another port"),
            "AUTH_LOG_IN",
            cause,
            "here and in the pipe, and remove `sign_port`",
        )
        .on(server_version)
        .args(&["--sign-port", "1"]),
        fault(
            name("a token signed for a name that is no RDS endpoint's"),
            "AUTH_LOG_IN",
            "TOKEN_WRONG_NAME",
            "sign_host",
        )
        .on(server_version)
        .args(&["--sign-host", "db.example.com", "--region", "us-east-1"]),
        fault(name("a token signed for another database"), "AUTH_LOG_IN", cause, "remove `sign_host`")
            .on(server_version)
            .args(&["--sign-host", "other.abc.us-east-1.rds.amazonaws.com"]),
        fault(name("a token signed for another Region"), "AUTH_LOG_IN", cause, "remove `sign_host`")
            .on(server_version)
            .args(&["--sign-host", "other.abc.eu-west-1.rds.amazonaws.com", "--region", "eu-west-1"]),
        // As behind an NLB that listens on another port. The token is accepted.
        fault(
            name("a token signed for the port of the database, which the pipe does not have"),
            "CLICKPIPES_TOKEN",
            "CLICKPIPES_SIGN",
            "and remove `sign_port`",
        )
        .on(server_version)
        .run(|run, server| run.with("port", "1").more(&["--sign-port".into(), server.port.to_string()])),
    ]
}

pub(super) fn postgres() -> Vec<Fault> {
    let ask = |name, to_do| fault(name, "AUTH_IAM_ASKED", "AUTH_NOT_IAM", to_do);
    let log_in = |name, cause, to_do| fault(name, "AUTH_LOG_IN", cause, to_do);
    let mut faults = vec![
        ask("a user without rds_iam", "GRANT rds_iam TO clickpipes_iam_user;")
            .sql("REVOKE rds_iam FROM clickpipes_iam_user; ALTER USER clickpipes_iam_user PASSWORD 'p'"),
        ask("a user that does not exist", "CREATE USER nobody_here; GRANT rds_iam TO nobody_here;")
            .args(&["--user", "nobody_here"]),
        ask("a user in other letters", r#"CREATE USER "ClickPipes_IAM_user""#)
            .args(&["--user", "ClickPipes_IAM_user"]),
        ask("MD5 passwords", "GRANT rds_iam").sql(
            "SET password_encryption = 'md5'; REVOKE rds_iam FROM clickpipes_iam_user;
             ALTER USER clickpipes_iam_user PASSWORD 'p'",
        ),
        log_in("a role that may not log in", "PG_NO_LOGIN", "ALTER ROLE clickpipes_iam_user LOGIN;")
            .sql("ALTER ROLE clickpipes_iam_user NOLOGIN"),
        log_in("a database that does not exist", "PG_NO_DATABASE", "set `database`")
            .args(&["--database", "nowhere"]),
        log_in("no right to connect", "PG_NO_CONNECT", "GRANT CONNECT ON DATABASE app")
            .sql("REVOKE CONNECT ON DATABASE app FROM PUBLIC"),
        log_in("the role has no connection left", "PG_ROLE_LIMIT", "CONNECTION LIMIT -1;")
            .sql("ALTER ROLE clickpipes_iam_user CONNECTION LIMIT 0"),
        log_in("the database has no connection left", "PG_DATABASE_LIMIT", "CONNECTION LIMIT -1;")
            .sql("ALTER DATABASE app CONNECTION LIMIT 0"),
        log_in(
            "a database that takes no connections",
            "PG_DATABASE_CLOSED",
            "ALTER DATABASE app ALLOW_CONNECTIONS true;",
        )
        .sql("UPDATE pg_database SET datallowconn = false WHERE datname = 'app'"),
    ];
    faults.extend(postgres_servers());
    faults.extend(policies("PostgreSQL", ServerVersion::Postgres15, "PG_TOKEN_REFUSED"));
    faults.extend(tokens("PostgreSQL", ServerVersion::Postgres15, "PG_TOKEN_REFUSED"));
    faults
}

/// What a whole PostgreSQL server is, whoever logs in.
fn postgres_servers() -> Vec<Fault> {
    let ask = |name, cause, to_do| fault(name, "AUTH_IAM_ASKED", cause, to_do);
    vec![
        ask("the server is starting up", "PG_NOT_READY", "again in a moment")
            .server(|server| server.restart_into_recovery().unwrap()),
        ask("the server is shutting down", "PG_NOT_READY", "again in a moment").lab(|_, server| {
            let session = Session::on(server);
            let there = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'";
            while server.sql(there).unwrap().trim() != "2" {}
            server.begin_to_stop().unwrap();
            Some(Box::new(session))
        }),
        ask("a standby that nobody may read", "PG_STANDBY_CLOSED", "writer").server(|server| {
            server.restart_as_closed_standby().unwrap();
        }),
        fault(
            "only the superuser's connections are left",
            "AUTH_LOG_IN",
            "PG_TOO_MANY_CONNECTIONS",
            "max_connections",
        )
        .lab(|_, server| {
            server
                .restart_with(&[("max_connections", "3"), ("superuser_reserved_connections", "2")])
                .unwrap();
            let session = Session::on(server);
            let there = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'";
            while server.sql(there).unwrap().trim() != "2" {}
            Some(Box::new(session))
        }),
        ask("the server has no connection left", "PG_TOO_MANY_CONNECTIONS", "max_connections").lab(
            |_, server| {
                server
                    .restart_with(&[("max_connections", "2"), ("superuser_reserved_connections", "0")])
                    .unwrap();
                Some(Box::new([Session::that_answers(server), Session::that_answers(server)]))
            },
        ),
        ask("a rule of pg_hba rejects", "PG_HBA_REFUSED", "`database`")
            .server(|server| access(server, "hostssl all +rds_iam all reject")),
        ask("a rule of pg_hba requires a client certificate", "PG_CLIENT_CERTIFICATE", "clientcert").lab(
            |lab, server| {
                let trust = format!("ALTER SYSTEM SET ssl_ca_file = '{}'", lab.ca_pem().display());
                server.sql(&trust).unwrap();
                access(server, "hostssl all +rds_iam all pam pamservice=rdslab clientcert=verify-ca");
                None
            },
        ),
        ask("no rule of pg_hba is for this address", "PG_HBA_REFUSED", "hostssl")
            .server(|server| access(server, "hostssl all +rds_iam 10.0.0.0/8 pam pamservice=rdslab")),
    ]
}

/// The superuser's own rule, and this one.
fn access(server: &Instance, rule: &str) {
    let script = format!(
        "DO $$ BEGIN EXECUTE format($q$COPY (VALUES ('local all rdsadmin trust'), ('{rule}')) TO %L$q$,
           current_setting('hba_file')); END $$"
    );
    server.sql(&script).unwrap();
    server.restart_with(&[]).unwrap();
}

/// A session of the superuser's that stays.
struct Session(Child);

impl Session {
    fn on(server: &Instance) -> Self {
        let shell = server.superuser_shell();
        let mut sh = Command::new("sh");
        Self(sh.args(["-c", &format!("exec {shell}")]).stdin(Stdio::piped()).spawn().unwrap())
    }

    /// One that has got in, for sure: where the last place is still being left by another, it tries again.
    fn that_answers(server: &Instance) -> Self {
        for _ in 0..500 {
            let shell = server.superuser_shell();
            let mut sh = Command::new("sh");
            sh.args(["-c", &format!("exec {shell} --no-align --tuples-only")]);
            sh.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
            let mut session = Self(sh.spawn().unwrap());
            // Refused, it has gone before it hears this.
            let _ = session.0.stdin.as_mut().unwrap().write_all(b"SELECT 'in';\n");
            let mut answer = [0; 3];
            if session.0.stdout.as_mut().unwrap().read_exact(&mut answer).is_ok() {
                assert_eq!(&answer, b"in\n");
                return session;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("no session on {}", server.name);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The server blocks an address that broke off a handshake. It never blocks 127.0.0.1, so the client comes from another one.
fn blocked(name: &'static str, server_version: ServerVersion) -> Fault {
    let fault =
        fault(name, "TLS_VERIFY", "MYSQL_HOST_BLOCKED", "FLUSH HOSTS;").on(server_version).server(|server| {
            let settings =
                [("skip-name-resolve", "OFF"), ("host-cache-size", "16"), ("max-connect-errors", "1")];
            server.restart_with(&settings).unwrap();
            // A first packet that is none. The server counts it before it answers.
            for _ in 0..5 {
                let mut broken = from_another_address(server.address());
                broken.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
                let mut words = [0; 512];
                let greeting = broken.read(&mut words).unwrap();
                if String::from_utf8_lossy(&words[..greeting]).contains("is blocked") {
                    return;
                }
                broken.write_all(b"\x05\0\0\x01hello").unwrap();
                let _ = broken.read_to_end(&mut Vec::new());
            }
            panic!("{} does not block", server.name);
        });
    coming_from_elsewhere(fault)
}

/// The client comes from 127.0.0.2, over a relay.
fn coming_from_elsewhere(fault: Fault) -> Fault {
    fault.run(|run, server| {
        let to = server.address();
        let relay = relay(move || from_another_address(to));
        run.more(&["--connect-to".into(), relay.to_string()])
    })
}

pub(super) fn mysql_and_mariadb() -> Vec<Fault> {
    let mut faults = Vec::new();
    for server_version in [ServerVersion::MariaDb10_11, ServerVersion::Mysql9_7] {
        let is_mysql = server_version.engine() == Engine::Mysql;
        let engine = if is_mysql { "MySQL" } else { "MariaDB" };
        let name = |what: &str| -> &'static str { format!("{what}, {engine}").leak() };
        let ask = |what, to_do| fault(name(what), "AUTH_IAM_ASKED", "AUTH_NOT_IAM", to_do).on(server_version);
        let log_in = |what, cause, to_do| fault(name(what), "AUTH_LOG_IN", cause, to_do).on(server_version);
        let identified = "IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS'";
        faults.extend([
            ask("a user with a password", identified)
                .sql("CREATE USER passworded IDENTIFIED BY 'p'")
                .args(&["--user", "passworded"]),
            log_in("an account that is locked", "MYSQL_ACCOUNT_LOCKED", "ACCOUNT UNLOCK")
                .sql("ALTER USER clickpipes_iam_user ACCOUNT LOCK"),
            log_in("a database that does not exist", "MYSQL_NO_DATABASE", "set `database`")
                .args(&["--database", "nowhere"]),
            log_in("no right to the database", "MYSQL_NO_DATABASE", "GRANT SELECT ON <database>.*")
                .sql("REVOKE SELECT ON app.* FROM clickpipes_iam_user"),
            log_in("the account has no connection left", "MYSQL_USER_LIMIT", "MAX_CONNECTIONS_PER_HOUR 0")
                .lab(|lab, server| {
                    server.sql("ALTER USER clickpipes_iam_user WITH MAX_CONNECTIONS_PER_HOUR 5").unwrap();
                    for _ in 0..5 {
                        assert_eq!(Run::check(lab, &[&server.name]).json().status, 0);
                    }
                    None
                }),
            fault(
                name("the server has no connection left"),
                "AUTH_LOG_IN",
                "MYSQL_TOO_MANY_CONNECTIONS",
                "max_connections",
            )
            .on(server_version)
            .lab(move |_, server| {
                let most = if is_mysql { 1 } else { 10 }; // the least it takes
                server.sql(&format!("SET GLOBAL max_connections = {most}")).unwrap();
                let sessions: Vec<Session> = (0..most).map(|_| Session::on(server)).collect();
                // The superuser has one more, for asking.
                let taken =
                    || server.sql("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = 'root'");
                while taken().unwrap().trim() != (most + 1).to_string() {}
                Some(Box::new(sessions))
            }),
        ]);
        if is_mysql {
            faults.push(
                log_in("the server is in offline mode", "MYSQL_OFFLINE", "SET GLOBAL offline_mode = OFF;")
                    .sql("SET GLOBAL offline_mode = ON"),
            );
        }
        faults.extend([
            coming_from_elsewhere(
                fault(
                    name("no account is for this address"),
                    "TLS_VERIFY",
                    "MYSQL_HOST_NOT_ALLOWED",
                    "RENAME USER 'clickpipes_iam_user'@'<its host>' TO 'clickpipes_iam_user'@'%';",
                )
                .on(server_version)
                .sql("RENAME USER clickpipes_iam_user TO clickpipes_iam_user@'10.1.2.3'; FLUSH PRIVILEGES"),
            ),
            // Somebody may come from here, as RDS's master user may from anywhere: then the user is an unknown one.
            ask("the account is for another address", "TO 'clickpipes_iam_user'@'%';").sql(
                "CREATE USER admin IDENTIFIED BY 'p';
                 RENAME USER clickpipes_iam_user TO clickpipes_iam_user@'10.1.2.3'",
            ),
            fault(
                name("the plugin is not loaded"),
                "AUTH_IAM_ASKED",
                "MYSQL_PLUGIN_NOT_LOADED",
                "enable IAM database authentication",
            )
            .on(server_version)
            .sql("UNINSTALL PLUGIN AWSAuthenticationPlugin"),
            blocked(name("the address is blocked"), server_version),
        ]);
        let nobody = ask("a user that does not exist", "CREATE USER 'nobody_here'");
        faults.push(nobody.args(&["--user", "nobody_here"]));
        faults.extend(policies(engine, server_version, "MYSQL_TOKEN_REFUSED"));
        faults.extend(tokens(engine, server_version, "MYSQL_TOKEN_REFUSED"));
    }
    faults
}
