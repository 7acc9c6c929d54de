//! README and guides: every link leads somewhere, and the first commands do everything.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The pages that people read, by their path.
fn pages() -> Vec<(PathBuf, String)> {
    let mut found = vec![root().join("README.md"), root().join("CHANGELOG.md")];
    for folder in ["src/docs", ".github", "src/ship", "src/checks", "src/report", "tests/end_to_end"] {
        let entries = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
        found.extend(entries.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    }
    found.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// The text without code, which contains brackets of other languages.
fn prose(page: &str) -> String {
    let outside = page.split("```").step_by(2);
    outside.flat_map(|text| text.split('`').step_by(2)).collect::<Vec<_>>().join(" ")
}

/// The targets of `[text](target)`.
fn links(page: &str) -> Vec<String> {
    let text = prose(page);
    let after = text.split("](").skip(1);
    after.filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())).collect()
}

/// The anchors that GitHub makes of headings, and those that are written as HTML.
fn anchors(page: &str) -> BTreeSet<String> {
    let headings = page.lines().filter_map(|line| line.trim_start_matches('#').strip_prefix(' '));
    let of_heading = |heading: &str| -> String {
        let kept = heading.to_lowercase().replace(' ', "-");
        kept.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect()
    };
    let written = page.split("<a id=\"").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()));
    headings.map(of_heading).chain(written).collect()
}

#[test]
fn every_link_leads_to_a_file_and_its_heading() {
    let mut seen = 0;
    for (path, text) in pages() {
        for link in links(&text) {
            if link.starts_with("https://") || link.starts_with("http://") {
                continue;
            }
            let (file, anchor) = link.split_once('#').map_or((link.as_str(), None), |(f, a)| (f, Some(a)));
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            assert!(target.exists(), "{}: {link}", path.display());
            if let Some(anchor) = anchor {
                let there = anchors(&fs::read_to_string(&target).unwrap());
                assert!(there.contains(anchor), "{}: {link}: {there:?}", path.display());
            }
            seen += 1;
        }
    }
    assert!(seen > 30, "{seen} links");
}

#[test]
fn the_readme_is_short_and_leads_to_every_guide() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.lines().count() <= 150, "{} lines", readme.lines().count());
    for entry in fs::read_dir(root().join("src/docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(readme.contains(&format!("(src/docs/{name}")), "README.md has no link to src/docs/{name}");
    }
    // Code that can be run, not a screen.
    let commands =
        readme.split("```sh\n").skip(1).flat_map(|block| block.split("```").next().unwrap().lines());
    let commands: Vec<_> = commands.map(|line| line.split(" #").next().unwrap().trim()).collect();
    assert_eq!(commands[..2], ["cargo lab demo", "cargo lab test"]);
}

/// The promises of the security page name tests that exist.
#[test]
fn every_test_of_a_promise_exists() {
    let page = fs::read_to_string(root().join(".github/SECURITY.md")).unwrap();
    let rows = page.lines().skip_while(|line| !line.starts_with("| promise")).skip(2);
    let mut seen = 0;
    for row in rows.take_while(|line| line.starts_with('|')) {
        let tests = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let mut names = tests.split('`').skip(1).step_by(2).peekable();
        assert!(names.peek().is_some(), "{row}");
        let mut file = PathBuf::new();
        for name in names {
            seen += 1;
            let is_function = name.contains('_') && !name.contains(['.', '/', ' ']);
            if is_function {
                let text = fs::read_to_string(&file).unwrap();
                assert!(text.contains(&format!("fn {name}()")), "{}: {name}", file.display());
            } else if !name.contains(' ') {
                let is_from_root = ["src/", "tests/", "."].iter().any(|start| name.starts_with(start));
                let folder = if is_from_root { root().to_owned() } else { root().join("tests/end_to_end") };
                file = folder.join(name.trim_end_matches("/*.rs"));
                assert!(file.exists(), "{row}: {name}");
            }
        }
    }
    assert!(seen > 30, "{seen} tests");
}
