//! `pipeprobe setup`: prints what is made, or writes it into a folder, all of it or nothing.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use super::Exit;
use crate::{
    cli::Format,
    config::Setup,
    setup::{SetupParts, text},
    target::Invalid,
};

/// # Errors
/// `out`'s.
pub fn setup(plan: &Setup, out: &mut impl Write) -> io::Result<Exit> {
    let made = SetupParts::new(plan);
    let written = match &plan.write {
        None => Vec::new(),
        Some(folder) => match write_files(folder, &made.files(), plan.force) {
            Ok(paths) => paths.iter().map(|path| path.display().to_string()).collect(),
            Err(invalid) => return super::refuse(&invalid.into(), plan.output, out),
        },
    };
    match (plan.output, plan.only, &plan.write) {
        (Format::Json, only, _) => {
            serde_json::to_writer_pretty(&mut *out, &made.document(only, written))?;
            writeln!(out)?;
        }
        (Format::Text, Some(part), _) => out.write_all(made.text_of(part).as_bytes())?,
        (Format::Text, None, Some(_)) => text::write_written(out, &made, &written)?,
        (Format::Text, None, None) => text::write(out, &made)?,
    }
    Ok(Exit::Met)
}

/// Every file is whole, beside its place, before the first is moved there.
fn write_files(folder: &Path, files: &[(&str, String)], force: bool) -> Result<Vec<PathBuf>, Invalid> {
    let unusable = |path: &Path, error: &io::Error| {
        Invalid::new("write", "a folder that can be written to", format!("`{}`: {error}", path.display()))
    };
    let there: Vec<&str> = files
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| folder.join(name).symlink_metadata().is_ok())
        .collect();
    if !force && !there.is_empty() {
        return Err(Invalid::new(
            "write",
            "a folder without these files, or --force to overwrite them",
            format!("{} in `{}`", there.join(", "), folder.display()),
        ));
    }
    fs::create_dir_all(folder).map_err(|e| unusable(folder, &e))?;
    let mut drafts = Vec::new();
    for (name, text) in files {
        let path = folder.join(name);
        let draft = draft(folder, name, text).map_err(|e| unusable(&path, &e))?;
        drafts.push((path, draft));
    }
    let mut written: Vec<PathBuf> = Vec::new();
    for (path, draft) in drafts {
        let moved = if force { draft.persist(&path) } else { draft.persist_noclobber(&path) };
        if let Err(failed) = moved {
            if !force {
                // None of these was there before.
                for path in &written {
                    drop(fs::remove_file(path));
                }
            }
            return Err(unusable(&path, &failed.error));
        }
        written.push(path);
    }
    Ok(written)
}

fn draft(folder: &Path, name: &str, text: &str) -> io::Result<NamedTempFile> {
    let mut draft = NamedTempFile::new_in(folder)?;
    draft.write_all(text.as_bytes())?;
    let mode = if Path::new(name).extension().is_some_and(|e| e == "sh") { 0o755 } else { 0o644 };
    draft.as_file().set_permissions(fs::Permissions::from_mode(mode))?;
    Ok(draft)
}
