//! Who is let in, over what.

use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};

use super::{
    ServeProcess,
    client::{self, Answer, connect},
    two, wait,
};

pub(super) struct Tls(pub(super) Arc<ClientConfig>);

impl Tls {
    pub(super) fn new(pem: &str) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(pipeprobe::trust::provider());
        let config = config.with_safe_default_protocol_versions().unwrap();
        Self(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
    }

    pub(super) fn get(&self, address: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(Arc::clone(&self.0), name).unwrap();
        client::request(StreamOwned::new(connection, connect(address)), "GET", path, headers)
    }
}

pub(super) fn certificate() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem())
}

#[test]
fn with_a_certificate_and_users_only_they_are_answered_and_only_over_tls() {
    let lab = two();
    let (pem, key) = certificate();
    // prometheus / sesame
    let hash = bcrypt::hash("sesame", 4).unwrap();
    let head = |pem: &str, key: &str| {
        format!(
            "[serve]\ntls_certificate = '''{pem}'''\ntls_key = '''{key}'''\n[serve.users]\nprometheus = '{hash}'\n"
        )
    };
    let serve = ServeProcess::start(&lab, &head(&pem, &key), &lab.config_toml());
    let tls = Tls::new(&pem);
    let (right, wrong) = (
        ("Authorization", "Basic cHJvbWV0aGV1czpzZXNhbWU="),
        ("Authorization", "Basic cHJvbWV0aGV1czpiYXJsZXk="),
    );
    for path in ["/", "/metrics", "/probe?target=postgres15", "/api/v1/targets", "/nowhere"] {
        let refused = tls.get(&serve.address, path, &[]);
        assert_eq!(refused.status, 401, "{path}");
        assert!(refused.head.to_ascii_lowercase().contains("www-authenticate: basic"), "{}", refused.head);
        assert_eq!(tls.get(&serve.address, path, &[wrong]).status, 401, "{path}");
        assert_ne!(tls.get(&serve.address, path, &[right]).status, 401, "{path}");
        // Browsers verify the name against the certificate, so any name is accepted.
        let named = tls.get(&serve.address, path, &[right, ("Host", "pipeprobe.default.svc")]);
        assert!(![401, 403].contains(&named.status), "{path}: {}", named.body);
    }
    // What an orchestrator asks, it asks without a password.
    assert_eq!(tls.get(&serve.address, "/-/healthy", &[]).body, "healthy\n");
    assert_eq!(serve.healthy(), (0, format!("√ answers on {}\n", serve.address)));
    // Plain HTTP gets no HTTP.
    let plain = std::panic::catch_unwind(|| client::get(&serve.address, "/-/healthy", &[]));
    assert!(plain.is_err());

    // A renewed certificate is taken by a reload.
    let (new_pem, new_key) = certificate();
    serve.rewrite(&(head(&new_pem, &new_key) + &lab.config_toml()));
    serve.signal(rustix::process::Signal::HUP);
    serve.logged("configuration reloaded");
    assert_eq!(Tls::new(&new_pem).get(&serve.address, "/-/healthy", &[]).status, 200);
}

#[test]
fn other_web_pages_cannot_read_probe_or_reload() {
    let lab = two();
    let config = |names: &str| format!("[serve]\nhost_names = [{names}]\n{}", lab.config_toml());
    let serve =
        ServeProcess::start(&lab, "[serve]\nhost_names = ['Pipeprobe.internal']\n", &lab.config_toml());
    serve.becomes("postgres15", "healthy");
    let get = |path: &str, headers: &[(&str, &str)]| client::get(&serve.address, path, headers);
    // DNS rebinding: the page's own name resolves to this address.
    for path in ["/", "/metrics", "/api/v1/targets", "/probe?target=postgres15", "/style.css", "/nowhere"] {
        let refused = get(path, &[("Host", "evil.example:9719")]);
        assert_eq!(refused.status, 403, "{path}: {}", refused.body);
        assert!(refused.body.contains("host_names = [\"evil.example\"]"), "{}", refused.body);
        for host in [&serve.address, "localhost:1", "[::1]:9719", "pipeprobe.internal:9719"] {
            assert_ne!(get(path, &[("Host", host)]).status, 403, "{path} {host}");
        }
    }
    // Probes of an orchestrator can use any name.
    assert_eq!(get("/-/healthy", &[("Host", "pipeprobe.default.svc")]).status, 200);
    assert_eq!(get("/-/ready", &[("Host", "pipeprobe.default.svc")]).status, 200);

    let checks = || serve.metric("pipeprobe_checks_total{target=\"postgres15\"}");
    let before = (checks(), lab.instances()[0].decisions().len());
    for other in [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Site", "same-site"), ("Origin", "null")] {
        assert_eq!(get("/probe?target=postgres15", &[other]).status, 403, "{other:?}");
        let refused = client::post(&serve.address, "/-/reload", &[other]);
        assert!(refused.status == 403 && refused.body.contains("use curl"), "{other:?}: {}", refused.body);
        // Pages can be linked to.
        assert_eq!(get("/targets/postgres15", &[other]).status, 200, "{other:?}");
    }
    assert_eq!((checks(), lab.instances()[0].decisions().len()), before);
    let refused =
        |reason: &str| serve.metric(&format!("pipeprobe_http_refused_total{{reason=\"{reason}\"}}"));
    wait("refusals are counted", || match (refused("host"), refused("cross_site")) {
        (Some(6.0), Some(6.0)) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    assert_eq!(client::post(&serve.address, "/-/reload", &[("Sec-Fetch-Site", "none")]).status, 200);

    serve.rewrite(&config("'evil.example'"));
    assert_eq!(client::post(&serve.address, "/-/reload", &[]).status, 200);
    assert_eq!(get("/", &[("Host", "evil.example")]).status, 200);
    assert_eq!(get("/", &[("Host", "pipeprobe.internal")]).status, 403);
}

#[test]
fn pages_run_no_script_and_are_not_framed() {
    let lab = two();
    let serve = ServeProcess::start(&lab, "", &lab.config_toml());
    serve.becomes("postgres15", "healthy");
    for path in ["/", "/targets/postgres15"] {
        let page = serve.get(path);
        assert_eq!(page.status, 200);
        let head = page.head.to_ascii_lowercase();
        assert!(head.contains("default-src 'none'") && head.contains("frame-ancestors 'none'"), "{head}");
        assert!(head.contains("x-content-type-options: nosniff"), "{head}");
    }
    assert!(serve.get("/style.css").head.contains("text/css"));
}

#[test]
fn a_client_that_says_nothing_is_let_go_and_others_are_answered() {
    let lab = two();
    let serve = ServeProcess::start(&lab, "", &lab.config_toml());
    let silent: Vec<_> = (0..20).map(|_| connect(&serve.address)).collect();
    assert_eq!(serve.get("/-/healthy").status, 200);
    for mut stream in silent {
        use std::io::Read;
        let mut said = Vec::new();
        // It is closed, with or without a 408.
        let _ = stream.read_to_end(&mut said);
    }
}

/// Compressed metrics, pages of the API, and the page of an address that does not exist.
#[test]
fn clients_choose_what_they_get() {
    let lab = two();
    let serve = ServeProcess::start(&lab, super::QUICK, &lab.config_toml());
    wait("every target is checked", || match serve.get("/-/ready").status {
        200 => Ok(()),
        _ => Err(serve.get("/-/ready").body),
    });
    let mut stream = connect(&serve.address);
    std::io::Write::write_all(
        &mut stream,
        b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n",
    )
    .unwrap();
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut stream, &mut bytes).unwrap();
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let (head, body) = (String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase(), &bytes[head + 4..]);
    assert!(
        head.contains("content-encoding: gzip") && head.contains("vary: accept, accept-encoding"),
        "{head}"
    );
    assert_eq!(body[..2], [0x1f, 0x8b], "the first bytes of gzip");
    let plain = serve.get("/metrics").body;
    assert!(body.len() * 3 < plain.len(), "{} of {}", body.len(), plain.len());

    let names = |path: &str| -> Vec<String> {
        let targets = serve.get(path).json()["targets"].as_array().unwrap().clone();
        targets.iter().map(|target| target["name"].as_str().unwrap().to_owned()).collect()
    };
    let all = names("/api/v1/targets");
    let first = serve.get("/api/v1/targets?limit=1").json();
    assert_eq!(first["next"].as_str(), Some(&*all[0]));
    assert_eq!(names(&format!("/api/v1/targets?limit=1&after={}", all[0])), all[1..2]);
    assert_eq!(names("/api/v1/targets?q=MARIADB"), ["mariadb10_11"]);
    assert_eq!(serve.get("/api/v1/targets?health=ill").status, 400);
    let page = serve.get("/?q=mariadb&health=").body;
    assert!(page.contains("1 of 2 targets.") && !page.contains("/targets/postgres15"), "{page}");
    let missing = serve.get("/nowhere");
    assert_eq!(missing.status, 404);
    assert!(missing.body.contains("<a href=\"/\">All targets</a>"), "{}", missing.body);
}
