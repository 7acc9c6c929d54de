//! Fields of the agent: `config check` and `serve --agent` report all errors, `serve` reads none of them.

use super::*;
use crate::cli::ConfigCommand;

fn check(text: &str) -> Result<Serve, ConfigErrors> {
    let file = temporary(text);
    let arguments = ["pipeprobe", "config", "check", file.path().to_str().unwrap()];
    let Command::Config { command: ConfigCommand::Check(args) } = Cli::parse_from(arguments).command else {
        unreachable!("the command is config check")
    };
    Serve::check(*args, &|_| None)
}

fn serve(text: &str, more: &[&str]) -> Result<Serve, ConfigErrors> {
    let file = temporary(text);
    let arguments = ["pipeprobe", "serve", "-c", file.path().to_str().unwrap()];
    let Command::Serve(args) = Cli::parse_from(arguments.iter().chain(more)).command else {
        unreachable!("the command is serve")
    };
    Serve::read(args, &|_| None)
}

/// Targets of the agent, by name.
fn names(serve: &Serve) -> Vec<&str> {
    serve.agent.iter().flat_map(|agent| &agent.targets).map(|target| target.target.name.as_str()).collect()
}

/// A file with these lines in the tables of two targets.
fn file(a: &str, b: &str) -> String {
    format!(
        "[defaults]\niam_role = '{ROLE}'\nhost = '{HOST}'\n[targets.a]\ntype = 'rdspostgres'\n{a}\n\
         [targets.b]\ntype = 'rdsmysql'\n{b}\n"
    )
}

#[test]
fn all_errors_are_reported_with_line_and_target() {
    let text = file(
        "agent_listen = '0.0.0.0:1'\nagent_password_file = '/nowhere/password'\nagent_socket_group = 'no-such-group'\n\
         agent_token_format = 'pgpass'\nagent_token_socket = 'maybe'",
        "agent_listen = '127.0.0.1:15432'\nagent_token_file = 'token'\nagent_token_format = 'pgpass'\n\
         [targets.'.c']\ntype = 'no-type'\nagent_token_file = 'other'\nagent_token_format = 'xml'",
    );
    let expected = [
        ("targets.a.agent_listen", 6),
        ("targets.a.agent_password_file", 7),
        ("targets.a.agent_socket_group", 8),
        ("targets.a.agent_token_file", 9),
        ("targets.a.agent_token_socket", 10),
        ("targets.b.agent_password_file", 13),
        ("targets.b.agent_token_format", 15),
        ("targets..c.type", 17),
        ("targets..c.agent_token_format", 19),
    ];
    for found in [check(&text), serve(&text, &["--agent"])] {
        let errors = found.unwrap_err();
        let mut shown: Vec<_> = errors
            .all()
            .iter()
            .map(|invalid| {
                let Some(Origin::File { line, .. }) = invalid.origin.as_deref() else { panic!("{invalid}") };
                (invalid.field.as_str(), *line)
            })
            .collect();
        shown.sort_by_key(|(_, line)| *line);
        assert_eq!(shown, expected);
    }
}

#[test]
fn two_targets_cannot_have_one_address_or_one_file() {
    let password = temporary("a-password-of-more-than-22-characters\n");
    let password = password.path().display();
    let lines = |port: u16, file: &str| {
        format!(
            "agent_listen = '127.0.0.1:{port}'\nagent_password_file = '{password}'\nagent_token_file = '{file}'"
        )
    };
    check(&file(&lines(1, "/run/a"), &lines(2, "/run/b"))).unwrap();
    let errors = check(&file(&lines(1, "/run/a"), &lines(1, "/run/a"))).unwrap_err();
    let shown: Vec<_> = errors.all().iter().map(|i| (i.field.as_str(), i.found.as_str())).collect();
    assert_eq!(
        shown,
        [
            ("targets.b.agent_listen", "`127.0.0.1:1`, as target `a`"),
            ("targets.b.agent_token_file", "`/run/a`, as target `a`"),
        ]
    );
}

#[test]
fn serve_has_an_agent_only_on_request_and_then_for_every_target_of_its_shard() {
    let text = file("agent_token_socket = true", "");
    assert_eq!(names(&check(&text).unwrap()), ["a"], "those that have fields of the agent");
    assert!(serve(&text, &[]).unwrap().agent.is_none());
    let both = serve(&text, &["--agent", "--socket-dir", "/run/x", "--drain", "1m"]).unwrap();
    assert_eq!(names(&both), ["a", "b"]);
    let agent = both.agent.unwrap();
    assert_eq!((agent.directory.as_path(), agent.drain), (Path::new("/run/x"), Duration::from_mins(1)));
    assert!(agent.targets[0].token_socket && !agent.targets[1].token_socket);
    // The same target, so that both share one session of AWS.
    assert!(both.targets.iter().zip(&agent.targets).all(|(a, b)| a.target == b.target));
    let shards = ["0/2", "1/2"].map(|shard| serve(&text, &["--agent", "--shard", shard]).unwrap());
    let mut of_shards: Vec<_> = shards.iter().flat_map(names).collect();
    of_shards.sort_unstable();
    assert_eq!(of_shards, ["a", "b"]);
    for shard in &shards {
        let checked: Vec<_> = shard.targets.iter().map(|watched| watched.target.name.as_str()).collect();
        assert_eq!(names(shard), checked);
    }
    assert!(serve(&file("agent_listen = 'nothing'", ""), &[]).is_ok(), "serve does not read them");
}
