//! `cargo lab clean`.

use std::fs;
use std::io;
use std::process::ExitCode;

/// Removes what the lab put into its cache, by name, because the folder may contain other files.
pub(crate) fn run() -> io::Result<ExitCode> {
    let folder = lab::cache_folder();
    // "oracle" is the former name of "python".
    for part in ["aside", "kubernetes-validate", "lanes", "locks", "oracle", "python", "templates"] {
        match fs::remove_dir_all(folder.join(part)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
        if entry.path().extension().is_some_and(|extension| extension == "unobtainable") {
            fs::remove_file(entry.path())?;
        } else if entry.file_name().to_string_lossy().starts_with("cargo-") {
            fs::remove_dir_all(entry.path())?;
        }
    }
    let _ = fs::remove_dir(&folder);
    lab::containers::remove_bases()?;
    println!("removed what the lab kept in {}, and its base images", folder.display());
    Ok(ExitCode::SUCCESS)
}
