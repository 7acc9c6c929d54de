//! `pipeprobe lint`: read the documents, judge them, print.

pub(super) mod json;
mod text;

use std::{
    fs::File,
    io::{self, Read, Write},
};

use super::Exit;
use crate::{
    cli::Format,
    config::LintConfig,
    lint::{self, Source},
    target::Invalid,
};

/// IAM accepts policies of a few kilobytes, and templates are much smaller than this.
const LARGEST: u64 = 1 << 20;

/// # Errors
/// `out` cannot be written, for a reason other than a closed pipe.
pub async fn lint(config: LintConfig, out: &mut impl Write) -> io::Result<Exit> {
    let (output, fail_on_warning) = (config.output, config.fail_on_warning);
    // On another thread, so that waiting for stdin can be interrupted.
    let judging = tokio::task::spawn_blocking(move || {
        let sources = config.files.iter().map(|file| read(file)).collect::<Result<Vec<_>, _>>()?;
        Ok::<_, Invalid>(lint::lint(&sources, &config.subject))
    });
    let lint = match judging.await {
        Ok(Ok(lint)) => lint,
        Ok(Err(invalid)) => return super::refuse(&invalid.into(), output, out),
        Err(broken) => return Err(io::Error::other(broken)),
    };
    let exit = match lint.fails() {
        true => Exit::NotMet,
        false if fail_on_warning && lint.warns() => Exit::MetWithWarnings,
        false => Exit::Met,
    };
    let written = match output {
        Format::Json => json::write(out, &lint),
        Format::Text => text::write(out, &lint),
    };
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(exit),
    }
}

/// The text of a file; `-` is stdin.
fn read(file: &str) -> Result<Source, Invalid> {
    let unreadable = |why: &dyn std::fmt::Display| {
        Invalid::new("FILE", "a file that can be read", format!("`{file}`: {why}"))
    };
    let mut bytes = Vec::new();
    let (name, read) = match file {
        "-" => ("stdin", io::stdin().lock().take(LARGEST + 1).read_to_end(&mut bytes)),
        path => (path, File::open(path).and_then(|f| f.take(LARGEST + 1).read_to_end(&mut bytes))),
    };
    read.map_err(|error| unreadable(&error))?;
    if bytes.len() as u64 > LARGEST {
        return Err(Invalid::new("FILE", "a policy of at most 1 MiB", format!("`{file}`, which is longer")));
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        let expected = "a text in UTF-8 (in PowerShell: | Out-File -Encoding utf8)";
        return Err(Invalid::new("FILE", expected, format!("`{file}`, which is UTF-16")));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Source { file: name.to_owned(), text }),
        Err(_) => Err(Invalid::new("FILE", "a text in UTF-8", format!("`{file}`, which is not"))),
    }
}
