//! A machine that has no file descriptors left: neither AWS, the network nor the database is blamed.

use lab::{Lab, ServerVersion};
use serde_json::Value;

use crate::support::{Run, shared, text};

/// The checks that did not pass, with at most this many open files. `None` if the program could not start, or could not read
/// its configuration.
fn failures(lab: &Lab, server_version: ServerVersion, host: &str, most: u32) -> Option<Vec<Value>> {
    let connect_to = format!("\"{host}:{}\"", lab.instance(server_version).address().port());
    let limit = format!("ulimit -n {most} && exec \"$@\"");
    let output = Run::check(lab, &[server_version.name(), "-o", "json"])
        .with("connect_to", &connect_to)
        .through(["sh", "-c", &limit, "sh"].map(ToOwned::to_owned).into())
        .output();
    let document: Value = serde_json::from_slice(&output.stdout).ok()?;
    let mut checks = document["targets"][0]["checks"].as_array()?.clone();
    checks.retain(|row| row["outcome"] == "fail" || row["outcome"] == "unknown");
    Some(checks)
}

#[test]
fn without_descriptors_only_this_machine_is_to_blame() {
    let lab = shared();
    let mut local = Vec::new();
    for server_version in [ServerVersion::Postgres15, ServerVersion::MariaDb10_11] {
        // With a name, the resolver needs descriptors too.
        for host in ["localhost", "127.0.0.1"] {
            let usual = failures(lab, server_version, host, 1000).unwrap();
            let mut complete = 0;
            for most in 4..24 {
                let Some(mut failed) = failures(lab, server_version, host, most) else { continue };
                failed.retain(|row| !usual.contains(row));
                for row in &failed {
                    let run = format!("{server_version} at {host}, {most} descriptors");
                    assert_eq!(row["cause"], "LOCAL_FAILURE", "{run}: {row:#}");
                    assert!(text(&row["remedy"]).contains("ulimit -n"), "{run}: {row:#}");
                    local.push(text(&row["code"]).to_owned());
                }
                complete += usize::from(failed.is_empty());
            }
            assert!(complete > 0, "{server_version} at {host} was never checked completely");
        }
    }
    // Which steps find no descriptor depends on their order; the resolver needs the most at the same time.
    assert!(local.iter().any(|code| code == "DNS_RESOLVE"), "{local:?}");
    assert!(local.iter().any(|code| code != "DNS_RESOLVE"), "{local:?}");
}
