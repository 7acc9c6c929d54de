//! The manifests: by Kubernetes' own schemas, by what is agreed to be safe, and by the program that they start.

use std::{
    fs,
    io::Write,
    process::{Command, Stdio},
};

use lab::Tool;
use serde_json::Value;

use super::{example, find};

/// Reads manifests from stdin, compares each with the schemas of the last release and one of two years ago (what has
/// none, because it is no part of Kubernetes, is passed over), and prints them as JSON.
const VALIDATE: &str = r#"
import json, sys, yaml, kubernetes_validate
from kubernetes_validate import SchemaNotFoundError
documents = [d for d in yaml.safe_load_all(sys.stdin) if d]
for document in documents:
    for version in ("1.30", "1.37"):
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except SchemaNotFoundError:
            assert "monitoring.coreos.com" in document["apiVersion"], document["kind"]
json.dump(documents, sys.stdout)
"#;

fn manifests(name: &str) -> Option<Vec<Value>> {
    let python = find(Tool::Kubernetes)?;
    let mut child = Command::new(python)
        .args(["-c", VALIDATE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(example(name).as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn of_kind<'a>(manifests: &'a [Value], kind: &str) -> &'a Value {
    manifests.iter().find(|m| m["kind"] == kind).unwrap_or_else(|| panic!("no {kind}"))
}

/// The pods of a manifest's workloads.
fn pods(manifests: &[Value]) -> Vec<&Value> {
    let specs = manifests.iter().map(|m| match m["kind"].as_str() {
        Some("CronJob") => &m["spec"]["jobTemplate"]["spec"]["template"]["spec"],
        _ => &m["spec"]["template"]["spec"],
    });
    specs.filter(|spec| spec.is_object()).collect()
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    ["initContainers", "containers"].into_iter().filter_map(|key| pod[key].as_array()).flatten()
}

#[track_caller]
fn is_confined(pod: &Value) {
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    let volumes: Vec<&str> =
        pod["volumes"].as_array().unwrap().iter().map(|v| v["name"].as_str().unwrap()).collect();
    for container in containers(pod) {
        let context = &container["securityContext"];
        assert_eq!(context["allowPrivilegeEscalation"], false);
        assert_eq!(context["readOnlyRootFilesystem"], true);
        assert_eq!(context["capabilities"]["drop"], serde_json::json!(["ALL"]));
        let resources = &container["resources"];
        assert!(resources["requests"]["memory"].is_string() && resources["limits"]["memory"].is_string());
        let mounts = container["volumeMounts"].as_array();
        for mount in mounts.into_iter().flatten() {
            assert!(volumes.contains(&mount["name"].as_str().unwrap()), "{mount}");
        }
    }
}

#[test]
fn the_deployment_is_valid_confined_and_closed_by_default() {
    let Some(manifests) = manifests("kubernetes") else { return };
    let kinds: Vec<&str> = manifests.iter().map(|m| m["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["ServiceAccount", "ConfigMap", "Deployment", "Service", "ServiceMonitor"]);
    let pod = pods(&manifests)[0];
    is_confined(pod);
    let container = &pod["containers"][0];
    assert_eq!(container["volumeMounts"][2]["mountPath"], "/tmp", "the MySQL driver wants a folder");
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        let get = &container[probe]["httpGet"];
        let path = if probe == "readinessProbe" { "/-/ready" } else { "/-/healthy" };
        assert_eq!((&get["path"], &get["scheme"]), (&path.into(), &"HTTPS".into()), "{probe}");
        assert_eq!(get["port"], container["ports"][0]["name"], "{probe}");
    }
    assert_eq!(container["ports"][0]["containerPort"], 9719);
    // What selects what.
    let labels = &of_kind(&manifests, "Deployment")["spec"]["template"]["metadata"]["labels"];
    assert_eq!(&of_kind(&manifests, "Deployment")["spec"]["selector"]["matchLabels"], labels);
    let service = of_kind(&manifests, "Service");
    assert_eq!(&service["spec"]["selector"], labels);
    assert_eq!(service["spec"]["ports"][0]["targetPort"], container["ports"][0]["name"]);
    let monitor = &of_kind(&manifests, "ServiceMonitor")["spec"];
    assert_eq!(monitor["selector"]["matchLabels"], service["metadata"]["labels"]);
    let endpoint = &monitor["endpoints"][0];
    assert_eq!(endpoint["port"], service["spec"]["ports"][0]["name"]);
    assert_eq!((&endpoint["scheme"], &endpoint["path"]), (&"https".into(), &"/metrics".into()));
    assert!(endpoint["basicAuth"]["password"]["name"].is_string());
    assert!(endpoint["tlsConfig"]["ca"]["secret"]["name"].is_string());
    assert!(endpoint["tlsConfig"].get("insecureSkipVerify").is_none());
    let account = of_kind(&manifests, "ServiceAccount");
    assert_eq!(pod["serviceAccountName"], account["metadata"]["name"]);
    assert!(account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"].is_string());
    // The configuration is the program's: refused as it is shipped, because nobody's password is in it; good with one.
    let config = of_kind(&manifests, "ConfigMap")["data"]["pipeprobe.toml"].as_str().unwrap();
    let (status, words) = config_check(config);
    assert_eq!(status, Some(2), "{words}");
    assert!(words.contains("serve.users.prometheus") || words.contains("tls_certificate"), "{words}");
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec!["pipeprobe".to_owned()]).unwrap().self_signed(&key).unwrap();
    let config = config
        .replace("\"/etc/pipeprobe-tls/tls.crt\"", &format!("'''{}'''", certificate.pem()))
        .replace("\"/etc/pipeprobe-tls/tls.key\"", &format!("'''{}'''", key.serialize_pem()));
    let (status, words) = config_check(&config);
    assert_eq!(status, Some(2), "{words}");
    assert!(words.contains("serve.users.prometheus"), "{words}");
    let hash = bcrypt::hash("sesame", 4).unwrap();
    let config = config.replace("output of: htpasswd -nB prometheus", &hash);
    let (status, words) = config_check(&config);
    assert_eq!(status, Some(0), "{words}");
    assert!(words.contains("[::]:9719") && words.contains("orders"), "{words}");
}

fn config_check(config: &str) -> (Option<i32>, String) {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), config).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_pipeprobe"))
        .args(["config", "check", "--config-file"])
        .arg(file.path())
        .env_clear()
        .output()
        .unwrap();
    let words = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&words).into_owned())
}

#[test]
fn the_jobs_before_are_valid_confined_and_typed_right() {
    let Some(before) = manifests("kubernetes-preflight") else { return };
    let around = manifests("kubernetes").unwrap();
    let pods = pods(&before);
    assert_eq!(pods.len(), 2);
    let help = Command::new(env!("CARGO_BIN_EXE_pipeprobe")).args(["check", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let mut ours = 0;
    for pod in pods {
        is_confined(pod);
        assert_eq!(pod["serviceAccountName"], of_kind(&around, "ServiceAccount")["metadata"]["name"]);
        assert_eq!(pod["volumes"][0]["configMap"]["name"], of_kind(&around, "ConfigMap")["metadata"]["name"]);
        for container in containers(pod).filter(|container| container["name"] == "pipeprobe") {
            ours += 1;
            let args: Vec<&str> =
                container["args"].as_array().unwrap().iter().map(|a| a.as_str().unwrap()).collect();
            assert_eq!(args[0], "check");
            for flag in args.iter().filter(|arg| arg.starts_with("--")) {
                assert!(help.contains(flag), "check knows no {flag}");
            }
        }
    }
    assert_eq!(ours, 2);
}
