//! Another user of this machine who wants the authenticated MySQL session.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, BufRead, Read, Write},
    os::{
        linux::net::SocketAddrExt,
        unix::{
            fs::symlink,
            net::{SocketAddr, UnixListener, UnixStream},
            process::CommandExt,
        },
    },
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use lab::{Lab, ServerVersion};

use crate::support::{Run, skipped, text};

const SERVER: ServerVersion = ServerVersion::MariaDb10_11;
const INTRUDER: &str = "PIPEPROBE_TEST_INTRUDER";
const NOBODY: u32 = 65_534;
const RUNS: usize = 40;

/// Sockets with our name that this machine's kernel lists, abstract (`@`) or as a file.
fn sockets() -> BTreeSet<String> {
    let list = fs::read_to_string("/proc/net/unix").unwrap_or_default();
    let names = list.lines().filter_map(|line| line.split_whitespace().nth(7));
    // The lab's servers have sockets below /tmp/pipeprobe-lab-….
    let is_ours = |name: &&str| name.starts_with("@pipeprobe-") || name.ends_with("/session");
    names.filter(is_ours).map(str::to_owned).collect()
}

fn connect(name: &str) -> io::Result<UnixStream> {
    match name.strip_prefix('@') {
        Some(name) => UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?),
        None => UnixStream::connect(name),
    }
}

/// Puts its own socket in the place of the file. Fails if the folder is private, or if there is no file.
fn replace(name: &str) -> io::Result<UnixListener> {
    let mine = format!("/tmp/intruder-{}", std::process::id());
    let _ = fs::remove_file(&mine);
    let listener = UnixListener::bind(&mine)?;
    fs::remove_file(name)?;
    symlink(&mine, name)?;
    Ok(listener)
}

/// Not a test by itself: the other process of the test below. It tries both attacks on every socket that it sees,
/// until its standard input is closed, and prints what it got.
#[test]
fn intruder() {
    if std::env::var_os(INTRUDER).is_none() {
        return;
    }
    let done = std::thread::spawn(|| io::stdin().read_to_end(&mut Vec::new()));
    let before = sockets();
    let (mut seen, mut received, mut replaced) = (BTreeSet::new(), 0, 0);
    println!("ready");
    while !done.is_finished() {
        // A folder shows itself a moment before its socket is listed.
        let folders = fs::read_dir("/tmp").unwrap().flatten().map(|entry| entry.path());
        let folders = folders.filter(|p| p.to_string_lossy().starts_with("/tmp/pipeprobe-"));
        let files = folders.map(|folder| folder.join("session").to_string_lossy().into_owned());
        for name in sockets().into_iter().chain(files).filter(|name| !before.contains(name)) {
            if let Ok(mut stream) = connect(&name) {
                let _ = stream.set_read_timeout(Some(Duration::from_millis(200)));
                received += stream.read(&mut [0; 64]).unwrap_or_default();
            } else if Path::new(&name).is_absolute() && replace(&name).is_ok() {
                replaced += 1;
            }
            seen.insert(name);
        }
    }
    println!("saw {} sockets, received {received} bytes, replaced {replaced}", seen.len());
}

#[test]
fn another_user_cannot_take_the_session_whatever_the_umask_is() {
    if !rustix::process::geteuid().is_root() {
        return skipped("another user who races for the MySQL session: this test must run as root");
    }
    let lab = Lab::start(&[SERVER]).unwrap();
    let mut intruder = Command::new("/proc/self/exe")
        .args(["--exact", "handover::intruder", "--nocapture"])
        .env(INTRUDER, "1")
        .uid(NOBODY)
        .gid(NOBODY)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = io::BufReader::new(intruder.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("ready") {
        line.clear();
        assert!(output.read_line(&mut line).unwrap() > 0, "the intruder did not start");
    }
    for run in 0..RUNS {
        let open: Vec<String> = ["sh", "-c", "umask 000; exec \"$@\"", "sh"].map(str::to_owned).into();
        let answer = Run::check(&lab, &[SERVER.name()]).through(open).env("TMPDIR", "/tmp").json();
        let verdict = &answer.report()["verdict"]["capability"];
        assert_eq!(text(verdict), "cdc", "run {run}: {:#}", answer.document);
    }
    drop(intruder.stdin.take());
    let mut result = String::new();
    output.read_to_string(&mut result).unwrap();
    assert!(intruder.wait().unwrap().success());
    let _ = write!(io::stderr(), "the intruder {result}");
    assert!(result.contains("received 0 bytes, replaced 0"), "{result}");
}
