//! Where credentials and settings come from.

use std::{net::SocketAddr, os::unix::process::CommandExt, sync::Arc, time::Duration};

use lab::{Lab, SERVICE_ROLE};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Run, http_server, shared, text};

/// A session of the service role, as metadata services return it.
fn session_json(lab: &Lab) -> String {
    let issued = lab.aws().issue(SERVICE_ROLE, "pod", &[], Duration::from_secs(3600));
    let (key, secret, token) = (issued.access_key_id, issued.secret_access_key, issued.session_token);
    let expiration = jiff::Timestamp::now() + Duration::from_secs(3600);
    format!(
        r#"{{"Code":"Success","Type":"AWS-HMAC","LastUpdated":"2026-01-01T00:00:00Z","Expiration":"{expiration:.0}",
            "AccessKeyId":"{key}","SecretAccessKey":"{secret}","Token":"{token}"}}"#
    )
}

fn without_keys<'a>(lab: &'a Lab) -> Run<'a> {
    Run::check(lab, &["postgres15"]).env("AWS_ACCESS_KEY_ID", "").env("AWS_SECRET_ACCESS_KEY", "")
}

fn assert_asked_as_the_service_role(answer: &crate::support::Answer) {
    assert_eq!(answer.status, 0, "{:#}", answer.report());
    let caller = text(&answer.report()["identity"]["caller"]);
    assert_eq!(caller, "arn:aws:sts::999988887777:assumed-role/CH-S3-lab-service-role/pod");
}

#[test]
fn container_and_pod_credentials_work() {
    let lab = shared();
    let session = session_json(lab);
    let server = http_server(move |_| session.clone());
    let run = without_keys(lab).env("AWS_CONTAINER_CREDENTIALS_FULL_URI", &format!("http://{server}/creds"));
    assert_asked_as_the_service_role(&run.env("AWS_CONTAINER_AUTHORIZATION_TOKEN", "pod").json());
}

#[test]
fn instance_metadata_credentials_work() {
    let lab = shared();
    let session = session_json(lab);
    let server = http_server(move |request| match request {
        r if r.contains("/latest/api/token") => "imds-token".to_owned(),
        r if r.contains("/security-credentials/role") => session.clone(),
        r if r.contains("/security-credentials/") => "role".to_owned(),
        _ => String::new(),
    });
    let run = without_keys(lab)
        .env("AWS_EC2_METADATA_DISABLED", "false")
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &format!("http://{server}"));
    assert_asked_as_the_service_role(&run.json());
}

#[test]
fn a_source_without_a_region_uses_the_database_region() {
    let lab = shared();
    let token = lab.dir().join("a-web-identity");
    std::fs::write(&token, "jwt").unwrap();
    // The stand-in has no AssumeRoleWithWebIdentity. The request itself shows that a Region was found.
    let answer = without_keys(lab)
        .without("AWS_REGION")
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap())
        .env("AWS_ROLE_ARN", SERVICE_ROLE)
        .json();
    let found = text(&answer.row("AWS_CREDENTIALS")["found"]);
    assert!(!found.to_lowercase().contains("region"), "{found}");
    assert!(found.contains("AssumeRoleWithWebIdentity") || found.contains("service error"), "{found}");
}

#[test]
fn a_source_that_fails_is_named_with_what_to_do() {
    let lab = shared();
    let (key, secret) = (lab::CALLER_ACCESS_KEY_ID, lab.secret_access_key());
    let (home, config) = (lab.dir().join("a-home"), lab.dir().join("failing-sources"));
    std::fs::create_dir_all(home.join(".aws")).unwrap();
    let profiles = format!(
        "[profile sso]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = ReadOnly\n\
         [sso-session corp]\nsso_start_url = https://corp.awsapps.com/start\nsso_region = eu-west-1\n\
         [profile console]\nlogin_session = arn:aws:iam::123456789012:user/u\n\
         [profile fails]\ncredential_process = sh -c 'echo the vault is locked >&2; exit 3' --password hunter2\n\
         [profile nonsense]\ncredential_process = echo hello\n\
         [profile slow]\ncredential_process = sleep 30\n\
         [profile keys]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n\
         [profile code]\nrole_arn = arn:aws:iam::123456789012:role/needs-mfa\nsource_profile = keys\n\
         mfa_serial = arn:aws:iam::123456789012:mfa/u\n"
    );
    std::fs::write(&config, profiles).unwrap();
    let run = |args: &[&str]| {
        Run::check(lab, &[&["postgres15"], args].concat())
            .env("AWS_ACCESS_KEY_ID", "")
            .env("AWS_SECRET_ACCESS_KEY", "")
            .env("AWS_CONFIG_FILE", config.to_str().unwrap())
            .env("HOME", home.to_str().unwrap())
            .env("PATH", &std::env::var("PATH").unwrap())
    };
    for (profile, cause, found, remedy) in [
        ("sso", "AWS_SSO_SESSION", "(SSO session corp)", "aws sso login --profile sso"),
        ("console", "AWS_LOGIN_SESSION", "(login_session ", "aws login --profile console"),
        (
            "fails",
            "AWS_CREDENTIAL_PROCESS",
            "the vault is locked",
            "aws sts get-caller-identity --profile fails",
        ),
        (
            "nonsense",
            "AWS_CREDENTIAL_PROCESS",
            "could not parse",
            "aws sts get-caller-identity --profile nonsense",
        ),
        ("slow", "AWS_CREDENTIALS_SLOW", "no credentials within", "raise --timeout"),
        ("code", "AWS_MFA_REQUIRED", "profile keys in", "aws configure export-credentials"),
        ("ssso", "AWS_PROFILE_UNKNOWN", "did you mean sso?", "aws configure --profile ssso"),
    ] {
        let answer = run(&["--profile", profile, "--timeout", "4s"]).json();
        let row = answer.fails_at("AWS_CREDENTIALS", cause);
        let (said, to_do) = (text(&row["found"]), text(&row["remedy"]));
        assert!(said.contains(found) && to_do.contains(remedy), "{profile}: {row:#}");
        let names_file = said.contains(config.to_str().unwrap());
        assert!(names_file, "{profile}: the file is named: {row:#}");
        assert_eq!(answer.row("STS_ACCESS_ROLE")["outcome"], "not_reached", "{profile}: {row:#}");
        assert!(!answer.document.to_string().contains("hunter2"), "{profile}: {:#}", answer.report());
    }
    let without_home = run(&[]).without("HOME").without("AWS_CONFIG_FILE").json();
    without_home.fails_at("AWS_CREDENTIALS", "AWS_HOME_MISSING");
    // Of EKS Pod Identity.
    let token = lab.dir().join("a-pod-token");
    std::fs::write(&token, "secret-pod-token\n").unwrap();
    let answer = run(&[])
        .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/v1/credentials")
        .env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token.to_str().unwrap())
        .json();
    let row = answer.fails_at("AWS_CREDENTIALS", "AWS_TOKEN_FILE");
    assert!(text(&row["found"]).contains("a-pod-token ends with a line break"), "{row:#}");
    assert!(!answer.document.to_string().contains("secret-pod-token"));
}

/// A TLS proxy named `localhost` for the lab's STS.
fn https(sts: &str) -> (SocketAddr, String) {
    let sts: SocketAddr = sts.strip_prefix("http://").unwrap().parse().unwrap();
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let pem = own.cert.pem();
    let key = rustls::pki_types::PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(pipeprobe::trust::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            send.send(listener.local_addr().unwrap()).unwrap();
            let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    if let Ok(mut near) = acceptor.accept(stream).await
                        && let Ok(mut far) = TcpStream::connect(sts).await
                    {
                        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                    }
                });
            }
        });
    });
    (receive.recv().unwrap(), pem)
}

/// A running proxy.py, which is ended when this is dropped.
struct Proxy {
    process: std::process::Child,
    address: String,
    log: std::path::PathBuf,
}

impl Proxy {
    fn start(name: &str, args: &[&str]) -> Option<Self> {
        let program = match lab::Tool::Proxy.find() {
            Ok(program) => program,
            Err(why) => {
                crate::support::skipped(format!("a proxy in front of STS: {why}"));
                return None;
            }
        };
        let dir = shared().dir();
        let (port, log) = (dir.join(format!("{name}.port")), dir.join(format!("{name}.log")));
        let process = std::process::Command::new(program)
            .args(["--hostname", "127.0.0.1", "--port", "0", "--num-workers", "1", "--threadless"])
            .arg("--port-file")
            .arg(&port)
            .arg("--log-file")
            .arg(&log)
            .args(args)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut proxy = Self { process, address: String::new(), log };
        for _ in 0..300 {
            let ports = std::fs::read_to_string(&port).unwrap_or_default();
            if let Some(port) = ports.strip_suffix('\n') {
                proxy.address = format!("127.0.0.1:{}", port.trim());
                return Some(proxy);
            }
            assert!(proxy.process.try_wait().unwrap().is_none(), "the proxy has ended");
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("the proxy has not started within 30 s");
    }

    /// The CONNECT requests that it logged. It logs them when they end.
    fn tunnels(&self) -> usize {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        log.lines().filter(|line| line.contains("CONNECT localhost:")).count()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Its workers are processes too, and end only with the group.
        let _ = rustix::process::kill_process_group(
            rustix::process::Pid::from_child(&self.process),
            rustix::process::Signal::KILL,
        );
        let _ = self.process.wait();
    }
}

#[test]
fn sts_is_reached_through_a_proxy() {
    let lab = shared();
    let (address, pem) = https(&lab.aws().endpoint());
    let bundle = lab.dir().join("aws-ca-behind-a-proxy.pem");
    std::fs::write(&bundle, pem).unwrap();
    let endpoint = format!("https://localhost:{}", address.port());
    let run = |proxy: &str| {
        Run::check(lab, &["postgres15"])
            .env("AWS_ENDPOINT_URL_STS", &endpoint)
            .env("AWS_CA_BUNDLE", bundle.to_str().unwrap())
            .env("HTTPS_PROXY", proxy)
    };
    let (Some(open), Some(closed)) =
        (Proxy::start("open-proxy", &[]), Proxy::start("closed-proxy", &["--basic-auth", "user:hunter2"]))
    else {
        return;
    };
    let direct = run(&format!("http://{}", open.address)).env("NO_PROXY", "localhost").json();
    assert_eq!((direct.status, open.tunnels()), (0, 0), "{:#}", direct.report());
    let through = run(&format!("http://{}", open.address)).json();
    assert_eq!(through.status, 0, "{:#}", through.report());
    let used = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        open.tunnels() > 0
    });
    assert!(used, "the proxy was not used");

    let refused = run(&format!("http://{}", closed.address)).json();
    let row = refused.fails_at("STS_ACCESS_ROLE", "STS_PROXY");
    assert!(text(&row["found"]).contains("with HTTP status 407"), "{row:#}");
    let wrong = run(&format!("http://user:wrong-password@{}", closed.address)).json();
    wrong.fails_at("STS_ACCESS_ROLE", "STS_PROXY");
    assert!(!wrong.document.to_string().contains("wrong-password"), "{:#}", wrong.report());
    let allowed = run(&format!("http://user:hunter2@{}", closed.address)).json();
    assert_eq!(allowed.status, 0, "{:#}", allowed.report());

    let row = run("http://127.0.0.1:9").json();
    let row = row.fails_at("STS_ACCESS_ROLE", "STS_PROXY");
    assert!(text(&row["found"]).contains("the proxy 127.0.0.1:9 (HTTPS_PROXY) did not accept"), "{row:#}");
    let invalid = run("socks5://127.0.0.1:1080").output();
    assert_eq!(invalid.status.code(), Some(2), "{invalid:?}");
    let said = String::from_utf8_lossy(&invalid.stderr);
    assert!(said.contains("HTTPS_PROXY") && said.contains("another scheme"), "{invalid:?}");
}

/// A proxy that opens no tunnel, and the endpoints that it was asked for.
fn recording_proxy() -> (SocketAddr, std::sync::mpsc::Receiver<String>) {
    use std::io::{BufRead, BufReader, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = BufReader::new(stream);
            let lines = (&mut stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
            let first = lines.collect::<Vec<_>>().swap_remove(0);
            if let Some(endpoint) = first.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()) {
                let _ = send.send(endpoint.to_owned());
            }
            let _ = stream.get_mut().write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
        }
    });
    (address, receive)
}

/// The names are those of the endpoint rules of STS in botocore (`endpoint-rule-set-1.json`).
#[test]
fn sts_is_called_in_the_region_and_at_the_kind_of_endpoint_that_is_set() {
    let lab = shared();
    let (proxy, endpoints) = recording_proxy();
    let profiles = lab.dir().join("fips-profiles");
    let (key, secret) = (lab::CALLER_ACCESS_KEY_ID, lab.secret_access_key());
    std::fs::write(
        &profiles,
        format!(
            "[profile fips]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\nuse_fips_endpoint = true\n\
             use_dualstack_endpoint = true\n"
        ),
    )
    .unwrap();
    let run = |args: &[&str], environment: &[(&str, &str)]| {
        let run = Run::check(lab, &[&["postgres15"], args].concat())
            .without("AWS_ENDPOINT_URL_STS")
            .without("AWS_ENDPOINT_URL")
            .env("AWS_CONFIG_FILE", profiles.to_str().unwrap())
            .env("HTTPS_PROXY", &format!("http://{proxy}"));
        let run = environment.iter().fold(run, |run, (name, value)| run.env(name, value));
        let answer = run.json();
        answer.fails_at("STS_ACCESS_ROLE", "STS_PROXY");
        let mut asked: Vec<String> = endpoints.try_iter().collect();
        asked.dedup();
        asked
    };
    let (fips, dual) = (("AWS_USE_FIPS_ENDPOINT", "true"), ("AWS_USE_DUALSTACK_ENDPOINT", "true"));
    for (args, environment, expected) in [
        (&[][..], &[][..], "sts.us-east-1.amazonaws.com:443"),
        (&["--sts-region", "eu-west-1"], &[], "sts.eu-west-1.amazonaws.com:443"),
        (&[], &[fips], "sts-fips.us-east-1.amazonaws.com:443"),
        (&["--sts-region", "us-west-2"], &[fips], "sts-fips.us-west-2.amazonaws.com:443"),
        (&[], &[dual], "sts.us-east-1.api.aws:443"),
        (&[], &[fips, dual], "sts-fips.us-east-1.api.aws:443"),
        (&["--profile", "fips"], &[], "sts-fips.us-east-1.api.aws:443"),
    ] {
        assert_eq!(run(args, environment), [expected], "{args:?} {environment:?}");
    }
    let wrong = Run::check(lab, &["postgres15", "--sts-region", "cn-north-1"]).output();
    assert_eq!(wrong.status.code(), Some(2));
    let said = String::from_utf8_lossy(&wrong.stderr);
    assert!(said.contains("sts_region") && said.contains("a Region of partition aws"), "{said}");
}

/// STS has no FIPS endpoint in Europe (botocore, `endpoints.json`), so the name that the SDK forms has no address.
#[test]
fn a_missing_fips_endpoint_of_sts_names_the_setting() {
    let lab = shared();
    let run = || {
        Run::check(lab, &["postgres15", "--sts-region", "eu-west-1"])
            .without("AWS_ENDPOINT_URL_STS")
            .without("AWS_ENDPOINT_URL")
            .env("AWS_USE_FIPS_ENDPOINT", "true")
    };
    let direct = run().json();
    let (proxy, _endpoints) = recording_proxy();
    let through = run().env("HTTPS_PROXY", &format!("http://{proxy}")).json();
    for (answer, cause) in [(direct, "STS_UNREACHABLE"), (through, "STS_PROXY")] {
        let row = answer.fails_at("STS_ACCESS_ROLE", cause);
        let remedy = text(&row["remedy"]);
        for named in
            ["sts-fips.eu-west-1.*", "AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint", "--sts-region us-east-1"]
        {
            assert!(remedy.contains(named), "{named}: {row:#}");
        }
    }
}

/// The Region of STS is not that of the token.
#[test]
fn the_token_is_signed_for_the_database_whatever_region_sts_has() {
    let lab = shared();
    let answer = Run::check(lab, &["postgres15", "--sts-region", "eu-west-1"]).json();
    assert_eq!(answer.status, 0, "{:#}", answer.report());
    assert_eq!(text(&answer.report()["endpoints"]["region"]), "us-east-1");
}

#[test]
fn sts_over_tls_needs_a_trusted_certificate() {
    let lab = shared();
    let (address, pem) = https(&lab.aws().endpoint());
    let bundle = lab.dir().join("aws-ca-bundle.pem");
    std::fs::write(&bundle, pem).unwrap();
    let endpoint = format!("https://localhost:{}", address.port());
    let run = || Run::check(lab, &["postgres15"]).env("AWS_ENDPOINT_URL_STS", &endpoint);
    let answer = run().env("AWS_CA_BUNDLE", bundle.to_str().unwrap()).json();
    assert_eq!(answer.status, 0, "{:#}", answer.report());

    let answer = run().json();
    let row = answer.fails_at("STS_ACCESS_ROLE", "STS_UNREACHABLE");
    assert!(text(&row["found"]).contains("UnknownIssuer"), "{row:#}");
    let missing = run().env("AWS_CA_BUNDLE", "/nowhere.pem").json();
    assert_eq!(
        (missing.status, text(&missing.document["errors"][0]["expected"])),
        (2, "the path of a PEM file that can be read, or PEM text (-----BEGIN …)")
    );
}

#[test]
fn flags_override_the_environment_which_overrides_the_file() {
    let lab = shared();
    let user = |run: Run<'_>| text(&run.json().report()["endpoints"]["user"]).to_owned();
    let run = |args: &[&str]| Run::check(lab, &[&["postgres15"], args].concat());
    assert_eq!(user(run(&[])), "clickpipes_iam_user");
    assert_eq!(user(run(&[]).env("PIPEPROBE_USER", "from_environment")), "from_environment");
    assert_eq!(user(run(&["--user", "typed"]).env("PIPEPROBE_USER", "from_environment")), "typed");
    // The file has database app; the environment has another one.
    let answer = run(&[]).env("PIPEPROBE_DATABASE", "from_environment").json();
    assert_eq!(answer.row("AUTH_LOG_IN")["cause"], "PG_NO_DATABASE");
}
