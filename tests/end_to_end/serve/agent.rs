//! `serve --agent`: both in one process.

use std::{
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
};

use lab::{Lab, ServerVersion};
use rustix::process::Signal;

use super::{QUICK, ServeProcess, wait};
use crate::{
    agent::{sessions_named, stdout, wait_for},
    agent_service::{PASSWORD, write_private},
    serve::client::post,
};

fn psql(sockets: &Path, target: &str, sql: &str) -> Command {
    let mut command = Command::new("psql");
    command.args(["-XAtU", "clickpipes_iam_user", "-d", "app", "-c", sql]).env_clear();
    command.env("PATH", "/usr/bin:/bin").env("PGHOST", sockets.join(target));
    command
}

#[test]
fn checks_and_clients_share_a_session_of_aws_a_page_of_metrics_a_reload_and_the_end() {
    let lab = Lab::start(&[ServerVersion::Postgres15]).unwrap();
    let instance = lab.instance(ServerVersion::Postgres15);
    let table = |name: &str| lab.target_toml(name, instance, lab::ACCESS_ROLE);
    let folder = tempfile::tempdir().unwrap();
    let sockets = folder.path().join("sockets");
    let serve = ServeProcess::start_with(&lab, QUICK, &table("a"), |command| {
        command.arg("--agent").arg("--socket-dir").arg(&sockets)
    });
    serve.becomes("a", "healthy");
    for _ in 0..5 {
        assert_eq!(stdout(&psql(&sockets, "a", "select 'in'").output().unwrap()), "in");
    }
    assert_eq!(lab.aws().calls().iter().filter(|call| call.action == "AssumeRole").count(), 1);

    let logins = "pipeprobe_agent_connections_total{target=\"a\",result=\"logged_in\"}";
    let page = wait("the logins are counted", || {
        let page = serve.get("/metrics");
        if page.series(logins) == Some(5.0) { Ok(page) } else { Err(page.body) }
    });
    assert_eq!(page.series("pipeprobe_healthy{target=\"a\"}"), Some(1.0), "{}", page.body);
    assert_eq!(page.body.matches("# TYPE pipeprobe_http_refused").count(), 1, "{}", page.body);

    // A reload that cannot be used changes nothing.
    let reload = || post(&serve.address, "/-/reload", &[]);
    serve.rewrite(&format!("{QUICK}\n{}agent_listen = 'nothing'\n", table("a")));
    let refused = reload();
    assert_eq!(refused.status, 400);
    assert!(
        refused.body.contains("not reloaded") && refused.body.contains("agent_listen"),
        "{}",
        refused.body
    );
    assert_eq!(stdout(&psql(&sockets, "a", "select 'in'").output().unwrap()), "in");

    // An address that is in use is found only when it is bound: the rest is served.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let password = folder.path().join("password");
    write_private(&password, PASSWORD);
    let tcp = format!(
        "agent_listen = '{}'\nagent_password_file = '{}'\n",
        taken.local_addr().unwrap(),
        password.display()
    );
    serve.rewrite(&format!("{QUICK}\n{}{tcp}\n{}", table("b"), table("c")));
    let partly = reload();
    assert_eq!(partly.status, 400);
    assert!(partly.body.contains("the agent does not serve every target"), "{}", partly.body);
    assert_eq!(stdout(&psql(&sockets, "c", "select 'in'").output().unwrap()), "in");
    assert!(!sockets.join("a/.s.PGSQL.5432").exists());
    serve.becomes("b", "healthy");
    drop(taken);
    assert_eq!(reload().status, 200);
    assert_eq!(stdout(&psql(&sockets, "b", "select 'in'").output().unwrap()), "in");

    let mut open = psql(&sockets, "c", "select 'finished' from pg_sleep(3)");
    let open = open.env("PGAPPNAME", "serve_agent").stdout(Stdio::piped()).spawn().unwrap();
    wait_for(instance, &sessions_named("serve_agent"), "1", super::TIMEOUT);
    serve.signal(Signal::TERM);
    wait("the socket is removed", || match sockets.join("c/.s.PGSQL.5432").exists() {
        true => Err("it exists".to_owned()),
        false => Ok(()),
    });
    assert_eq!(serve.get("/-/ready").status, 503);
    assert_eq!(stdout(&open.wait_with_output().unwrap()), "finished");
    let (status, log) = serve.ended();
    assert_eq!(status.code(), Some(0), "{log}");
    assert_eq!(lab.aws().calls().iter().filter(|call| call.action == "AssumeRole").count(), 1);
}
