//! Reads files that a configuration names: regular files only, with a size limit and a time limit, each file once.

use std::{
    cell::RefCell,
    collections::HashMap,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    time::Duration,
};

use super::Context;
use crate::{
    cli::Given,
    static_ips::{self, List},
    target::{CaCertificate, InputField, Invalid, Origin, quoted},
    trust,
};

/// A file on a network mount that hangs must not stop the process.
const TIMEOUT: Duration = Duration::from_secs(5);
/// 10,000 targets take about 4 MiB.
pub(super) const CONFIG_LIMIT: u64 = 16 << 20;
/// The bundle of all public web roots has about 0.2 MiB, the list of static IP addresses less.
const LIMIT: u64 = 4 << 20;

/// Files that were read, by path, so that 10,000 targets with the same CA file read and store it once.
#[derive(Debug, Default)]
pub(super) struct Files {
    texts: RefCell<HashMap<PathBuf, Result<Arc<str>, String>>>,
    /// Texts that were parsed, and are usable CA certificates.
    usable: RefCell<Vec<CaCertificate>>,
    /// Lists of static IP addresses, by path or text, so that the targets of a plan parse it once.
    lists: RefCell<HashMap<PathBuf, Result<Arc<List>, String>>>,
}

impl Files {
    /// The text of a file.
    ///
    /// # Errors
    /// Why it cannot be read; without its path, which can be a secret that was pasted in place of a path.
    pub(super) fn text(&self, path: &Path) -> Result<Arc<str>, String> {
        let mut files = self.texts.borrow_mut();
        let read = || read_limited(path, LIMIT).map(Arc::from);
        files.entry(path.to_owned()).or_insert_with(read).clone()
    }

    /// The same certificates, if they were parsed before.
    pub(super) fn known(&self, ca: &CaCertificate) -> Option<CaCertificate> {
        self.usable.borrow().iter().find(|known| *known == ca).cloned()
    }

    /// A list of static IP addresses: a file, or the list itself.
    fn list(&self, path: PathBuf, text: Option<&str>) -> Result<Arc<List>, String> {
        if let Some(known) = self.lists.borrow().get(&path) {
            return known.clone();
        }
        let list = match text {
            Some(text) => List::parse(text),
            None => self.text(&path).and_then(|text| List::parse(&text)),
        };
        let list = list.map(Arc::new);
        self.lists.borrow_mut().insert(path, list.clone());
        list
    }

    pub(super) fn remember(&self, ca: &CaCertificate) {
        self.usable.borrow_mut().push(ca.clone());
    }
}

/// The text of a regular file, or of stdin for `-`.
///
/// # Errors
/// Why it cannot be read.
pub(super) fn read_limited(path: &Path, limit: u64) -> Result<String, String> {
    if path == Path::new("-") {
        return text_of(io::stdin().lock(), limit);
    }
    let (send, receive) = mpsc::sync_channel(1);
    let file = path.to_owned();
    std::thread::spawn(move || send.send(read_file(&file, limit)));
    receive.recv_timeout(TIMEOUT).unwrap_or_else(|_| Err(format!("no answer within {} s", TIMEOUT.as_secs())))
}

fn read_file(path: &Path, limit: u64) -> Result<String, String> {
    let metadata = fs::metadata(path).map_err(|error| error.to_string())?;
    if metadata.is_dir() {
        return Err("it is a directory".to_owned());
    }
    if !metadata.is_file() {
        return Err("it is not a regular file (to read a pipe, use `-` for stdin)".to_owned());
    }
    text_of(fs::File::open(path).map_err(|error| error.to_string())?, limit)
}

fn text_of(reader: impl Read, limit: u64) -> Result<String, String> {
    let mut bytes = Vec::new();
    reader.take(limit + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > limit {
        return Err(format!("it is larger than {} MiB", limit >> 20));
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())
}

impl Context<'_> {
    /// Certificates: those of a file, or the PEM text itself.
    pub(super) fn ca(&self, field: &str, given: &Given) -> Result<CaCertificate, Invalid> {
        let ca = CaCertificate { pem: self.pem(field, given)? };
        if let Some(known) = self.files.known(&ca) {
            return Ok(known);
        }
        given.read(|_| {
            trust::web_roots(Some(&ca))
                .map_err(|invalid| invalid.about(|input| InputField { field: field.to_owned(), ..input }))
        })?;
        self.files.remember(&ca);
        Ok(ca)
    }

    /// The list of static IP addresses in a file, or the list itself, which a URL has sent.
    pub(super) fn static_ips(&self, given: &Given) -> Result<Arc<List>, Invalid> {
        let text = Some(given.text.as_str()).filter(|text| text.starts_with('{'));
        self.files.list(path_of(given), text).map_err(|why| {
            if text.is_some() {
                return Invalid::new("static_ips", "the path of a file", why).at(&given.origin);
            }
            let expected = format!("a file with the list of {}", static_ips::LIVE);
            let help = format!(
                "write it with: curl -fsS {} -o FILE; a URL only on the command line",
                static_ips::LIVE
            );
            Invalid::new("static_ips", expected, format!("{}: {why}", quoted(&given.text)))
                .at(&given.origin)
                .remedy(help)
        })
    }

    /// The content of a PEM file, or the PEM text itself. A path in a file is relative to the folder of that file.
    ///
    /// # Errors
    /// A file that cannot be read. The text is quoted only if it can be a path, and never if the field is for a key: it
    /// can be a key without its armor.
    pub(super) fn pem(&self, field: &str, given: &Given) -> Result<Arc<str>, Invalid> {
        if given.text.contains("-----BEGIN") {
            return Ok(given.text.as_str().into());
        }
        let path = path_of(given);
        self.files.text(&path).map_err(|why| {
            let path_like = given.text.len() <= 255 && !given.text.contains(char::is_whitespace);
            let found = match field != "tls_key" && path_like {
                true => format!("{}: {why}", quoted(&given.text)),
                false => format!("a text of {} characters (not shown): {why}", given.text.chars().count()),
            };
            let expected = "the path of a PEM file that can be read, or PEM text (-----BEGIN …)";
            Invalid::new(field, expected, found).at(&given.origin)
        })
    }
}

/// A path in a file is relative to the folder of that file.
pub(super) fn path_of(given: &Given) -> PathBuf {
    match &given.origin {
        Origin::File { path, .. } => Path::new(path).parent().unwrap_or(Path::new("")).join(&given.text),
        _ => Path::new(&given.text).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_within_the_limit_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        let text = folder.path().join("text");
        fs::write(&text, "12345").unwrap();
        let binary = folder.path().join("binary");
        fs::write(&binary, [0xff, 0xfe]).unwrap();
        for (path, limit, expected) in [
            (text.as_path(), 5, Ok("12345")),
            (&text, 4, Err("larger")),
            (&binary, 9, Err("UTF-8")),
            (&fifo, 9, Err("regular file")),
            (folder.path(), 9, Err("directory")),
            (Path::new("/dev/zero"), 9, Err("regular file")),
            (&folder.path().join("none"), 9, Err("No such file")),
        ] {
            match (read_limited(path, limit), expected) {
                (Ok(text), Ok(expected)) => assert_eq!(text, expected),
                (Err(why), Err(expected)) => assert!(why.contains(expected), "{}: {why}", path.display()),
                (result, _) => panic!("{}: {result:?}", path.display()),
            }
        }
    }

    #[test]
    fn a_file_that_many_targets_name_is_read_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        fs::write(&path, "one").unwrap();
        let files = Files::default();
        let first = files.text(&path).unwrap();
        fs::write(&path, "two").unwrap();
        assert!(Arc::ptr_eq(&first, &files.text(&path).unwrap()));
    }
}
