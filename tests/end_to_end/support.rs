//! A shared lab for tests that change nothing, and a runner for the program.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::LazyLock,
};

use lab::{Instance, Lab, ServerVersion, obtain};
use serde_json::Value;

/// Prints on the real stderr what is not tested.
pub(crate) fn skipped(what: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {what}");
}

/// The text of the program and of these tests, for lists that name tests.
pub(crate) fn test_sources() -> String {
    let mut sources = String::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("src"), root.join("tests/end_to_end")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension() {
                _ if path.is_dir() => folders.push(path),
                Some(extension) if extension == "rs" => sources += &fs::read_to_string(path).unwrap(),
                _ => {}
            }
        }
    }
    sources
}

/// Every server version that is available here.
pub(crate) fn server_versions() -> Vec<ServerVersion> {
    static LANES: LazyLock<Vec<ServerVersion>> = LazyLock::new(|| {
        ServerVersion::all()
            .into_iter()
            .filter(|server_version| match obtain(*server_version) {
                Ok(_) => true,
                Err(why) => {
                    assert!(!server_version.is_always_there(), "{why}");
                    skipped(why);
                    false
                }
            })
            .collect()
    });
    LANES.clone()
}

/// The lab that tests share, because none of them changes it. Its supervisor removes it.
pub(crate) fn shared() -> &'static Lab {
    static SHARED: LazyLock<Lab> = LazyLock::new(|| Lab::start(&server_versions()).unwrap());
    &SHARED
}

/// A run of the program in a lab's environment, without this machine's settings.
pub(crate) struct Run<'a> {
    lab: &'a Lab,
    config: String,
    args: Vec<String>,
    environment: Vec<(String, String)>,
    /// A command that runs the program.
    through: Vec<String>,
}

impl<'a> Run<'a> {
    pub(crate) fn check(lab: &'a Lab, args: &[&str]) -> Self {
        let config = lab.config_toml();
        Self {
            lab,
            config,
            args: [&["check"], args].concat().iter().map(ToString::to_string).collect(),
            environment: lab.environment(),
            through: Vec::new(),
        }
    }

    pub(crate) fn more(mut self, args: &[String]) -> Self {
        self.args.extend(args.iter().cloned());
        self
    }

    pub(crate) fn command(mut self, name: &str) -> Self {
        name.clone_into(&mut self.args[0]);
        self
    }

    /// Replaces the configuration.
    pub(crate) fn only(self, toml: &str) -> Self {
        Self { config: toml.to_owned(), ..self }
    }

    /// Adds a target table named `other`.
    pub(crate) fn other(self, instance: &Instance, iam_role: &str) -> Self {
        let table = self.lab.target_toml("other", instance, iam_role);
        self.table(&table)
    }

    pub(crate) fn table(mut self, toml: &str) -> Self {
        self.config += toml;
        self
    }

    /// Replaces the line of that key in every table of the configuration.
    pub(crate) fn with(mut self, key: &str, value: &str) -> Self {
        let start = format!("{key} = ");
        let lines = self.config.lines().map(|line| match line.starts_with(&start) {
            true if value.is_empty() => String::new(),
            true => format!("{start}{value}"),
            false => line.to_owned(),
        });
        self.config = lines.collect::<Vec<_>>().join("\n");
        self
    }

    /// Runs the program through this command.
    pub(crate) fn through(self, command: Vec<String>) -> Self {
        Self { through: command, ..self }
    }

    pub(crate) fn env(self, name: &str, value: &str) -> Self {
        let mut this = self.without(name);
        this.environment.push((name.to_owned(), value.to_owned()));
        this
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.environment.retain(|(n, _)| n != name);
        self
    }

    pub(crate) fn spawnable(&self) -> Command {
        let path = self.config_file();
        let program = self.through.iter().map(String::as_str).chain([env!("CARGO_BIN_EXE_pipeprobe")]);
        let words: Vec<&str> = program.collect();
        let mut command = Command::new(words[0]);
        command
            .args(&words[1..])
            .args(&self.args)
            .arg("--config-file")
            .arg(path)
            .env_clear()
            .envs(self.environment.iter().cloned());
        command
    }

    pub(crate) fn config_file(&self) -> PathBuf {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        self.config.hash(&mut hasher);
        let path = self.lab.dir().join(format!("pipeprobe-{:016x}.toml", hasher.finish()));
        // Tests run in parallel, so the file is written completely before it gets its name.
        let draft = tempfile::NamedTempFile::new_in(self.lab.dir()).unwrap();
        fs::write(draft.path(), &self.config).unwrap();
        draft.persist(&path).unwrap();
        path
    }

    pub(crate) fn output(self) -> Output {
        self.spawnable().output().unwrap()
    }

    /// Runs with `-o json` and parses the document on stdout.
    pub(crate) fn json(mut self) -> Answer {
        self.args.extend(["-o".into(), "json".into()]);
        let output = self.output();
        let stdout = String::from_utf8(output.stdout).unwrap();
        let document = serde_json::from_str(&stdout)
            .unwrap_or_else(|e| panic!("{e}: {stdout}{}", String::from_utf8_lossy(&output.stderr)));
        Answer { status: output.status.code().unwrap(), document }
    }
}

pub(crate) struct Answer {
    pub(crate) status: i32,
    pub(crate) document: Value,
}

impl Answer {
    pub(crate) fn report(&self) -> &Value {
        &self.document["targets"][0]
    }

    /// The row of a check.
    pub(crate) fn row(&self, code: &str) -> &Value {
        let rows = self.report()["checks"].as_array().unwrap();
        rows.iter().find(|row| row["code"] == code).unwrap_or_else(|| panic!("no row {code}: {rows:#?}"))
    }

    /// Asserts that exactly this row failed, with this cause, and that earlier rows passed and later rows were not reached.
    #[track_caller]
    pub(crate) fn fails_at(&self, code: &str, cause: &str) -> &Value {
        let row = self.row(code);
        assert_eq!((&row["outcome"], &row["cause"]), (&"fail".into(), &cause.into()), "{:#}", self.report());
        assert_eq!(self.status, 3);
        assert_eq!(self.report()["verdict"]["capability"], "blocked");
        assert_eq!(self.report()["verdict"]["blocked_by"], serde_json::json!([code]));
        row
    }
}

/// The text of a field.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// An HTTP server that answers each request with `answer` of its first line. It stands in for
/// instance metadata, container credentials, and an STS with invalid responses.
pub(crate) fn http_server(answer: impl Fn(&str) -> String + Send + 'static) -> SocketAddr {
    use std::io::{BufRead, BufReader, Read, Write};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = BufReader::new(stream);
            let (mut first, mut line, mut length) = (String::new(), String::new(), 0);
            let _ = stream.read_line(&mut first);
            while stream.read_line(&mut line).is_ok_and(|n| n > 2) {
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
            }
            let _ = stream.read_exact(&mut vec![0; length]);
            let body = answer(&first);
            let head = format!(
                "HTTP/1.1 200 OK\r\nx-aws-ec2-metadata-token-ttl-seconds: 60\r\nContent-Length: {}",
                body.len()
            );
            let _ = stream.get_mut().write_all(format!("{head}\r\n\r\n{body}").as_bytes());
        }
    });
    address
}

/// Answers every request with this status and content.
pub(crate) fn answers(status: &str, kind: &str, body: &str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = BufReader::new(stream);
            let (mut line, mut length) = (String::new(), 0);
            while stream.read_line(&mut line).is_ok_and(|n| n > 2) {
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
            }
            let _ = stream.read_exact(&mut vec![0; length]);
            let _ = stream.get_mut().write_all(answer.as_bytes());
        }
    });
    address
}
