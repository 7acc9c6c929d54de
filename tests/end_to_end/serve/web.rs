//! Who is let in, over what.

use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};

use super::{
    MetricDef,
    client::{self, Answer, connect},
    two,
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
    let serve = MetricDef::start(&lab, &head(&pem, &key), &lab.config_toml());
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
fn pages_run_no_script_and_are_not_framed() {
    let lab = two();
    let serve = MetricDef::start(&lab, "", &lab.config_toml());
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
    let serve = MetricDef::start(&lab, "", &lab.config_toml());
    let silent: Vec<_> = (0..20).map(|_| connect(&serve.address)).collect();
    assert_eq!(serve.get("/-/healthy").status, 200);
    for mut stream in silent {
        use std::io::Read;
        let mut said = Vec::new();
        // It is closed, with or without a 408.
        let _ = stream.read_to_end(&mut said);
    }
}
