//! The text of `check` as a person sees it: the width of a real terminal, the locale, several targets, and what is
//! printed after Ctrl-C.

use std::{
    path::Path,
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use lab::{Lab, ServerVersion};
use serde_json::Value;

use crate::{
    serve::silent_target,
    support::{Run, shared},
};

/// The screen of a terminal with this many columns, without colors.
fn terminal(run: &Run<'_>, columns: usize) -> String {
    let command = run.spawnable();
    let words: Vec<_> = [command.get_program()].into_iter().chain(command.get_args()).collect();
    let words: Vec<_> = words.iter().map(|word| word.to_str().unwrap()).collect();
    let line = format!("stty cols {columns} rows 50; {}", words.join(" "));
    let mut script = Command::new("/usr/bin/script");
    script.args(["--quiet", "--return", "--command", &line, "/dev/null"]).stdin(Stdio::null());
    script.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = script.env("TERM", "xterm").env("PATH", "/usr/bin:/bin").output().unwrap();
    let bytes = anstream::adapter::strip_bytes(&output.stdout).into_vec();
    String::from_utf8(bytes).unwrap().replace('\r', "")
}

#[test]
fn the_width_follows_the_terminal() {
    let lab = shared();
    for (columns, expected) in [(40, 60), (72, 72), (100, 100), (200, 120)] {
        let screen = terminal(&Run::check(lab, &["postgres15", "-v"]), columns);
        assert!(screen.contains("Verdict: Initial Load Only — postgres15"), "{screen}");
        // Notes of passing checks end at the right edge. Commands and long words are not broken.
        let rows = screen.lines().filter(|line| line.starts_with('√') && line.contains("   "));
        let widths: Vec<usize> = rows.map(|line| line.chars().count()).collect();
        assert!(widths.iter().all(|width| *width == expected), "{columns}: {widths:?}\n{screen}");
        assert!(widths.len() > 3, "{screen}");
    }
}

#[test]
fn marks_are_ascii_if_the_locale_is_not_utf8() {
    let screen = |name: &str, value: &str| {
        let output = Run::check(shared(), &["postgres15"]).env(name, value).output();
        assert_eq!(output.status.code(), Some(0));
        String::from_utf8(output.stdout).unwrap()
    };
    for (name, value) in [("LC_ALL", "C"), ("LC_CTYPE", "POSIX"), ("LANG", "de_DE.ISO-8859-1")] {
        let screen = screen(name, value);
        assert!(screen.is_ascii() && screen.contains("+ connection: 7 passed"), "{name}={value}: {screen}");
    }
    for (name, value) in [("LC_ALL", "C.UTF-8"), ("LANG", "en_US.utf8"), ("LC_ALL", "")] {
        let screen = screen(name, value);
        assert!(screen.contains("√ connection: 7 passed"), "{name}={value}: {screen}");
    }
}

#[test]
fn several_targets_are_a_table_with_a_count() {
    let output = Run::check(shared(), &["postgres15", "mariadb10_11"]).output();
    let screen = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{screen}");
    assert!(!screen.contains('\u{1b}'), "no color without a terminal");
    let lines: Vec<&str> = screen.lines().collect();
    assert!(
        lines.iter().any(|line| line.contains(" postgres15    Initial Load Only  Initial Load Only")),
        "{screen}"
    );
    assert!(
        lines.iter().any(|line| line.contains(" mariadb10_11  CDC                Initial Load Only")),
        "{screen}"
    );
    assert!(lines.contains(&"2 of 2 targets meet their requirement: 1 CDC, 1 Initial Load Only"), "{screen}");
}

#[test]
fn quiet_prints_one_line_per_target() {
    let output = Run::check(shared(), &["postgres15", "--require", "cdc", "--quiet"]).output();
    assert_eq!(output.status.code(), Some(3));
    let line = String::from_utf8(output.stdout).unwrap();
    assert_eq!(line, "× postgres15: Initial Load Only, not CDC (PG_DOCUMENTED_RULE +1)\n");
}

#[test]
fn a_postgres_report_fits_25_lines() {
    let output = Run::check(shared(), &["postgres15"]).output();
    let screen = String::from_utf8(output.stdout).unwrap();
    assert!(screen.starts_with("Verdict: Initial Load Only — postgres15\n"), "{screen}");
    assert!(screen.lines().count() <= 25, "{screen}");
}

/// Starts a check of one server that answers and one that does not, and interrupts it after the first is checked.
fn interrupted(args: &[&str], signal: &str) -> (Option<i32>, String) {
    let lab = Lab::start(&[ServerVersion::MariaDb10_11]).unwrap();
    let mariadb = lab.instance(ServerVersion::MariaDb10_11);
    let run = Run::check(&lab, args).table(&silent_target("silent"));
    let process = run.spawnable().stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    while mariadb.decisions().is_empty() {
        assert!(start.elapsed() < Duration::from_secs(20), "no login");
        sleep(Duration::from_millis(10));
    }
    // Its queries take milliseconds; the silent server is given up after 5 s.
    sleep(Duration::from_millis(1500));
    let kill = format!("kill -s {signal} {}", process.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    let output = process.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_signal_prints_the_targets_that_are_finished() {
    for (signal, status) in [("INT", 130), ("TERM", 143)] {
        let (code, screen) = interrupted(&[], signal);
        assert_eq!(code, Some(status), "{screen}");
        assert!(screen.starts_with("Verdict: CDC — mariadb10_11\n"), "{screen}");
        assert!(screen.ends_with("\nInterrupted: 1 of 2 targets were checked\n"), "{screen}");
    }
}

#[test]
fn a_signal_still_prints_a_json_document_which_is_no_success() {
    let (code, text) = interrupted(&["-o", "json"], "INT");
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (code, &document["success"], &document["interrupted"]),
        (Some(130), &false.into(), &true.into())
    );
    let targets = document["targets"].as_array().unwrap();
    assert_eq!((targets.len(), &targets[0]["verdict"]["met"]), (1, &true.into()), "{document:#}");
    let schema: Value = serde_json::from_str(include_str!("../../src/report/schema.json")).unwrap();
    jsonschema::validator_for(&schema).unwrap().validate(&document).unwrap();
}

/// The screen in a page that begins with this command: what follows it in its block.
fn documented<'a>(page: &'a str, command: &str) -> &'a str {
    let after =
        page.split_once(&format!("$ {command}\n")).unwrap_or_else(|| panic!("no screen of {command}")).1;
    after.split("```").next().unwrap().split("\n$ ").next().unwrap().trim_end()
}

#[test]
fn the_report_in_the_readme_and_in_its_guide_is_what_check_prints() {
    let lab = shared();
    let printed = String::from_utf8(Run::check(lab, &["postgres15"]).output().stdout).unwrap();
    let readme = documented(include_str!("../../README.md"), "pipeprobe check postgres15");
    assert!(readme.lines().count() <= 10, "{readme}");
    assert!(printed.starts_with(readme), "{printed}");

    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/docs/check.md");
    let guide = std::fs::read_to_string(&page).unwrap();
    let screen = documented(&guide, "pipeprobe check --config-file pipeprobe.toml postgres15");
    let port = lab.instance(ServerVersion::Postgres15).port.to_string();
    let printed = printed.trim_end().replace(&format!(":{port}"), ":44623");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(page, guide.replace(screen, &printed)).unwrap();
    } else {
        assert_eq!(
            printed, screen,
            "`UPDATE=1 cargo test --test end_to_end the_report_in` updates the guide"
        );
    }
}

#[test]
fn the_screens_of_exec_in_its_guide_are_what_clients_print() {
    let lab = shared();
    let guide = include_str!("../../src/docs/agent.md");
    let exec = |program: &[&str]| {
        let config = Run::check(lab, &[]).config_file();
        let mut command = Command::new(env!("CARGO_BIN_EXE_pipeprobe"));
        command.args(["exec", "-c"]).arg(config).args(["postgres15", "--"]).args(program);
        command.env_clear().envs(lab.environment()).env("PATH", "/usr/bin:/bin").output().unwrap()
    };
    let screen = documented(guide, "pipeprobe exec -c pipeprobe.toml orders -- psql");
    let (query, rows) = screen.trim().split_once('\n').unwrap();
    let output = exec(&["psql", "-X", "-c", query.strip_prefix("app=> ").unwrap()]);
    let printed = String::from_utf8(output.stdout).unwrap();
    let printed: Vec<&str> = printed.lines().map(str::trim_end).collect();
    assert_eq!(rows.lines().collect::<Vec<_>>(), printed[..3], "{printed:?}");

    let create = "pg_recvlogical -d app -S s --create-slot";
    let screen = documented(guide, &format!("pipeprobe exec -c pipeprobe.toml orders -- {create}"));
    let output = exec(&create.split(' ').collect::<Vec<_>>());
    assert!(!output.status.success());
    let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let printed = one_line(&String::from_utf8(output.stderr).unwrap());
    let (before, rest) = printed.split_once("socket \"").unwrap();
    let rest = rest.split_once('"').unwrap().1;
    let socket = "/run/user/1000/pipeprobe-9miyK7hG/.s.PGSQL.5432";
    let mut rest = format!("{before}socket \"{socket}\"{rest}");
    // In the guide, text is left out at `…`.
    for part in one_line(screen).split('…') {
        let (_, after) = rest.split_once(part.trim()).unwrap_or_else(|| panic!("{part}: {printed}"));
        rest = after.to_owned();
    }
}
