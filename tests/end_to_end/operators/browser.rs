//! The pages in a real browser: what a reader is told, with and without JavaScript.

use std::{fs, path::Path, process::Command};

use lab::Tool;

use super::find;
use crate::{
    serve::{ServeProcess, two, wait},
    support::http_server,
};

/// One check at the start and none while a test looks.
const ONCE: &str = "[defaults]\ninterval = \"1h\"\nfull_interval = \"1h\"\n";

struct Browser<'a> {
    program: &'a Path,
    profile: tempfile::TempDir,
}

impl Browser<'_> {
    fn run(&self, url: &str, more: &[&str]) -> String {
        let profile = format!("--user-data-dir={}", self.profile.path().display());
        let output = Command::new(self.program)
            // Its own sandbox wants what a container rarely has; it only sees us.
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", &profile])
            .args(more)
            .arg(url)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The document as the browser understood it.
    fn dom(&self, url: &str) -> String {
        self.run(url, &["--dump-dom"])
    }

    /// PNGs of a document, with JavaScript and without. Chromium without a screen needs JavaScript itself, so it is the
    /// document that is forbidden it.
    fn pictures(&self, document: &str, width: u32) -> [Vec<u8>; 2] {
        let forbidden = "<meta http-equiv=\"Content-Security-Policy\" content=\"script-src 'none'\">";
        let without = document.replacen("<head>", &format!("<head>{forbidden}"), 1);
        assert_ne!(document, without);
        [document.to_owned(), without].map(|document| {
            let address = http_server(move |_| document.clone());
            let file = self.profile.path().join("page.png");
            let (shot, size) =
                (format!("--screenshot={}", file.display()), format!("--window-size={width},900"));
            self.run(&format!("http://{address}/"), &[&shot, &size]);
            let png = fs::read(&file).unwrap();
            fs::remove_file(&file).unwrap();
            let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
            assert_eq!((number(16), number(20)), (width, 900));
            png
        })
    }
}

#[test]
fn a_browser_shows_every_target_and_what_to_fix_with_and_without_javascript() {
    let Some(program) = find(Tool::Chromium) else { return };
    let lab = two();
    let denied = lab.target_toml("denied", &lab.instances()[0], "arn:aws:iam::123456789012:role/nobody");
    let serve = ServeProcess::start(&lab, ONCE, &(lab.config_toml() + &denied));
    wait("every target is checked", || {
        let ready = serve.get("/-/ready");
        if ready.status == 200 { Ok(()) } else { Err(ready.body) }
    });
    let browser = Browser { program: &program, profile: tempfile::tempdir().unwrap() };
    let url = |path: &str| format!("http://{}{path}", serve.address);
    let index = browser.dom(&url("/"));
    for said in [
        "<title>1 unhealthy – pipeprobe</title>",
        "<h1>1 of 3 targets are unhealthy</h1>",
        "STS_ASSUME_ROLE_DENIED",
        "<a href=\"/targets/postgres15\">postgres15</a>",
        "Initial Load Only",
        "CDC",
    ] {
        assert!(index.contains(said), "{said}\n{index}");
    }
    // What is to be fixed comes first.
    assert!(index.find("/targets/denied").unwrap() < index.find("/targets/mariadb").unwrap());
    assert_eq!(index.matches("<script").count(), 0);

    let page = browser.dom(&url("/targets/denied"));
    for said in
        ["<h1 class=\"bad\">denied", "<h2>Blocked</h2>", "<h3>To do</h3>", "sts:TagSession", "All targets"]
    {
        assert!(page.contains(said), "{said}\n{page}");
    }
    // The picture is the same without JavaScript. Of a copy that stands still: the page itself says how long ago.
    let style = serve.get("/style.css").body;
    for path in ["/", "/targets/denied"] {
        let complete = serve.get(path).body.replace("</head>", &format!("<style>{style}</style></head>"));
        for width in [1280, 500] {
            let [with, without] = browser.pictures(&complete, width);
            assert!(with == without, "{path} at {width}");
            // Of one colour it would be a few hundred bytes.
            assert!(with.len() > 10_000, "{path} at {width}: {} bytes", with.len());
        }
    }
    let scripted =
        "<!DOCTYPE html><html><head></head><body><script>document.body.style.background = 'red'</script>";
    let [with, without] = browser.pictures(scripted, 500);
    assert!(with != without, "JavaScript was not forbidden");
}

#[test]
fn in_a_browser_another_page_can_neither_reload_nor_probe_nor_read() {
    let Some(program) = find(Tool::Chromium) else { return };
    let lab = two();
    let serve = ServeProcess::start(&lab, ONCE, &lab.config_toml());
    serve.becomes("postgres15", "healthy");
    let state = || {
        let metrics = serve.get("/metrics");
        let checks = metrics.series("pipeprobe_checks_total{target=\"postgres15\"}");
        (checks, metrics.series("pipeprobe_http_refused_total{reason=\"cross_site\"}"))
    };
    assert_eq!(state(), (Some(1.0), Some(0.0)));
    let browser = Browser { program: &program, profile: tempfile::tempdir().unwrap() };
    let target = serve.address.clone();
    let page = http_server(move |_| {
        format!(
            "<!DOCTYPE html><img src=\"http://{target}/probe?target=postgres15\"><p>sent</p><script>\
             fetch('http://{target}/-/reload', {{ method: 'POST', mode: 'no-cors' }})</script>"
        )
    });
    assert!(browser.dom(&format!("http://{page}/")).contains("sent"));
    let (checks, refused) = wait("both requests are refused", || match state() {
        (checks, Some(refused)) if refused >= 2.0 => Ok((checks, refused)),
        other => Err(format!("{other:?}")),
    });
    assert_eq!((checks, refused), (Some(1.0), 2.0));
    assert!(!serve.lines().join("\n").contains("configuration reloaded"));

    // DNS rebinding: the other page's name now resolves to this server.
    let port = serve.address.rsplit(':').next().unwrap();
    let rebound = browser.run(
        &format!("http://evil.example:{port}/api/v1/targets"),
        &["--dump-dom", "--host-resolver-rules=MAP evil.example 127.0.0.1"],
    );
    assert!(rebound.contains("403: Host: expected"), "{rebound}");
    assert!(!rebound.contains("postgres15"), "{rebound}");
    // The address that a person types is answered.
    let typed = browser.dom(&format!("http://localhost:{port}/probe?target=postgres15&debug=true"));
    assert!(typed.contains("probe_success 1"), "{typed}");
}
