//! How it starts, reloads and ends.

use rustix::process::Signal;

use super::{QUICK, ServeProcess, client::post, silent_target, two, wait};

#[test]
fn a_reload_takes_what_is_new_and_leaves_the_rest_alone() {
    let lab = two();
    let target = |name: &str, i: usize| lab.target_toml(name, &lab.instances()[i], lab::ACCESS_ROLE);
    let serve = ServeProcess::start(&lab, QUICK, &(target("stays", 0) + &target("goes", 1)));
    let before = serve.becomes("stays", "healthy");
    serve.becomes("goes", "healthy");

    serve.rewrite(&(QUICK.to_owned() + &target("stays", 0) + &target("comes", 1)));
    serve.signal(Signal::HUP);
    serve.logged("configuration reloaded");
    serve.becomes("comes", "healthy");
    assert_eq!(serve.get("/api/v1/targets/goes").status, 404);
    assert_eq!(serve.metric("pipeprobe_checks_total{target=\"goes\"}"), None);
    assert_eq!(serve.target("stays")["since"], before["since"]);

    serve.rewrite("[targets.stays]\ntype = \"oracle\"\nhost = \"db.abc.eu-west-1.rds.amazonaws.com\"\n");
    let refused = post(&serve.address, "/-/reload", &[]);
    assert_eq!(refused.status, 400);
    assert!(refused.body.contains(": expected rdspostgres, "), "{}", refused.body);
    serve.logged("configuration not reloaded: the previous one stays active");
    assert_eq!(serve.metric("pipeprobe_config_last_reload_successful"), Some(0.0));
    assert_eq!(serve.target("comes")["health"], "healthy");

    serve.rewrite(&(QUICK.to_owned() + &target("comes", 1)));
    assert_eq!(post(&serve.address, "/-/reload", &[]).body, "reloaded\n");
    assert_eq!(serve.metric("pipeprobe_config_last_reload_successful"), Some(1.0));
    assert_eq!(serve.get("/api/v1/targets").json()["targets"].as_array().unwrap().len(), 1);
    // A reload is no matter of reading a page.
    assert_eq!(serve.get("/-/reload").status, 405);
}

#[test]
fn it_ends_by_itself_when_told_to_and_lets_a_check_in_flight_end() {
    let lab = two();
    for signal in [Signal::TERM, Signal::INT] {
        let head = "[serve]\ntimeout = \"3s\"\n";
        let serve = ServeProcess::start(&lab, head, &(lab.config_toml() + &silent_target("slow")));
        serve.becomes("postgres15", "healthy");
        serve.signal(signal);
        let (status, log) = serve.ended();
        assert_eq!(status.code(), Some(0), "{log}");
        assert!(log.contains("\"name\":\"slow\"") && log.contains("DB_TIMED_OUT"), "{log}");
        assert!(!log.contains("aborted checks"), "{log}");
    }
}

#[test]
fn whoever_cannot_ask_over_http_asks_with_healthy() {
    let lab = two();
    let serve = ServeProcess::start(&lab, QUICK, &lab.config_toml());
    let before = serve.metric("pipeprobe_config_last_reload_successful");
    assert_eq!(serve.healthy(), (0, format!("√ answers on {}\n", serve.address)));
    assert_eq!(serve.metric("pipeprobe_config_last_reload_successful"), before);

    // Stopped as a hung program is: the system still takes connections for it.
    serve.signal(Signal::STOP);
    let (status, words) = serve.healthy();
    assert!(status == 3 && words.contains("does not answer") && words.contains("timed out"), "{words}");
    serve.signal(Signal::CONT);
    assert_eq!(serve.healthy().0, 0);

    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (status, words) = serve.healthy_on(&nobody.to_string());
    assert!(status == 3 && words.contains("refused"), "{words}");
    assert_eq!(serve.healthy_on("nowhere").0, 2);
}

#[test]
fn what_cannot_be_served_is_refused_before_anything_is_dialled() {
    let lab = two();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("pipeprobe.toml");
    let run = |text: &str, listen: &str| {
        std::fs::write(&config, text).unwrap();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_pipeprobe"));
        command.args(["serve", "--listen", listen, "--config-file"]).arg(&config);
        let output = command.env_clear().envs(lab.environment()).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (status, words) = run(&lab.config_toml(), &address);
    assert_eq!(status, 2, "{words}");
    assert!(words.contains("error: listen") && words.contains("Address already in use"), "{words}");
    let broken = "[serve]\ntls_certificate = \"-----BEGIN nothing\"\ntls_key = \"-----BEGIN nothing\"\n";
    let (status, words) = run(&(broken.to_owned() + &lab.config_toml()), "127.0.0.1:0");
    assert_eq!(status, 2, "{words}");
    assert!(words.contains("error: tls_"), "{words}");
    assert!(lab.aws().calls().is_empty());
    assert!(lab.instances().iter().all(|instance| instance.decisions().is_empty()));
}

#[test]
fn no_secret_is_said_at_any_level_on_any_page() {
    let lab = two();
    let serve = ServeProcess::start_with(&lab, QUICK, &(lab.config_toml()), |command| {
        command.args(["--log-level", "trace"])
    });
    serve.becomes("postgres15", "healthy");
    serve.becomes("mariadb10_11", "healthy");
    lab.instances()[0].stop();
    serve.becomes("postgres15", "unhealthy");
    let mut said: Vec<String> =
        ["/", "/targets/postgres15", "/metrics", "/api/v1/targets", "/probe?target=postgres15&debug=true"]
            .into_iter()
            .map(|path| serve.get(path).body)
            .collect();
    serve.signal(Signal::TERM);
    let (_, log) = serve.ended();
    assert!(log.contains("TRACE") || log.contains("DEBUG"), "{log}");
    said.push(log);
    for text in said {
        let found = crate::secrets::secrets_in(&text, &[lab.secret_access_key()]);
        assert!(found.is_empty(), "{found:#?}");
    }
}

/// systemd's side of sd_notify(3): a datagram socket.
#[test]
fn systemd_is_told_that_it_is_ready_that_it_lives_and_that_it_stops() {
    let lab = two();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify.sock");
    let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    socket.set_nonblocking(true).unwrap();
    let serve = ServeProcess::start_with(&lab, QUICK, &lab.config_toml(), |command| {
        command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000")
    });
    let mut heard = String::new();
    let mut hear = |what: &str| {
        wait(&format!("systemd is told {what}"), || {
            let mut buffer = [0; 4096];
            while let Ok(n) = socket.recv(&mut buffer) {
                heard += &(String::from_utf8_lossy(&buffer[..n]).into_owned() + "\n");
            }
            if heard.contains(what) { Ok(()) } else { Err(heard.clone()) }
        });
        heard.clear();
    };
    hear("READY=1\nSTATUS=watching 2 targets");
    hear("WATCHDOG=1");
    hear("WATCHDOG=1");
    serve.signal(Signal::HUP);
    hear("RELOADING=1\nMONOTONIC_USEC=");
    serve.signal(Signal::TERM);
    hear("STOPPING=1");
    assert_eq!(serve.ended().0.code(), Some(0));
}

/// Three processes with the same file check each target once. One that is killed leaves its part unchecked until it is back.
#[test]
fn three_shards_divide_the_targets() {
    let lab = two();
    let server = &lab.instances()[0];
    let toml: String =
        (0..30).map(|i| lab.target_toml(&format!("tenant-{i:02}"), server, lab::ACCESS_ROLE)).collect();
    let start =
        |index: u32| ServeProcess::start(&lab, &format!("{QUICK}[serve]\nshard = \"{index}/3\"\n"), &toml);
    let checked = |serve: &ServeProcess| -> Vec<String> {
        wait("every target of the shard is checked", || {
            let ready = serve.get("/-/ready");
            if ready.status == 200 { Ok(()) } else { Err(ready.body) }
        });
        let targets = serve.get("/api/v1/targets").json()["targets"].as_array().unwrap().clone();
        targets.iter().map(|target| target["name"].as_str().unwrap().to_owned()).collect()
    };
    let mut shards: Vec<Option<ServeProcess>> = (0..3).map(|index| Some(start(index))).collect();
    let parts: Vec<Vec<String>> = shards.iter().flatten().map(checked).collect();
    let mut all: Vec<&String> = parts.iter().flatten().collect();
    all.sort();
    assert_eq!(all, (0..30).map(|i| format!("tenant-{i:02}")).collect::<Vec<_>>().iter().collect::<Vec<_>>());
    assert!(parts.iter().all(|part| part.len() > 3), "{parts:?}");

    // Killed: the others keep their parts, and no target is checked twice. Started again, it has the same part.
    drop(shards[1].take());
    for index in [0, 2] {
        assert_eq!(checked(shards[index].as_ref().unwrap()), parts[index]);
    }
    assert_eq!(checked(&start(1)), parts[1]);
}
