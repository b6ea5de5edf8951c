//! Runs the binary and reads what it wrote.

#![allow(dead_code, reason = "each test file uses a part")]

pub(crate) mod exposition;
pub(crate) mod net;
pub(crate) mod servers;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// Runs `tapline` with these arguments, away from the settings of whoever runs the tests.
pub(crate) fn tapline<S: AsRef<OsStr>>(arguments: &[S]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tapline"))
        .args(arguments)
        .env_remove("RUST_LOG")
        .output()
        .expect("the binary runs")
}

/// An empty folder of this name for the test, below the target folder.
pub(crate) fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    match fs::remove_dir_all(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            panic!("{}: {error}", path.display())
        }
        _ => {}
    }
    fs::create_dir_all(&path).expect("a folder");
    path
}

/// A file of `testdata/`.
pub(crate) fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../testdata")
        .join(name)
}

/// The arguments that write every output into `folder`.
pub(crate) fn all_outputs(folder: &Path) -> Vec<String> {
    [
        "exchanges",
        "parts",
        "flows",
        "findings",
        "inventory",
        "agents",
        "mcp",
        "a2a",
    ]
    .iter()
    .flat_map(|kind| {
        let path = folder.join(format!("{kind}.jsonl"));
        [format!("--{kind}"), path.display().to_string()]
    })
    .collect()
}

/// `openapi-spec-validator` (PyPI), which `make test` puts below `target/validators` (`deploy/validators/fetch`). Another one is
/// taken from the path; one that `TAPLINE_OPENAPI_VALIDATOR` names has to be there. Without any that is said, and tests look with
/// our own reader alone.
pub(crate) fn openapi_validator() -> Option<PathBuf> {
    let runs = |path: &PathBuf| {
        Command::new(path)
            .arg("--help")
            .output()
            .is_ok_and(|out| out.status.success())
    };
    if let Some(named) = std::env::var_os("TAPLINE_OPENAPI_VALIDATOR").map(PathBuf::from) {
        assert!(
            runs(&named),
            "{} does not run, and TAPLINE_OPENAPI_VALIDATOR names it",
            named.display()
        );
        return Some(named);
    }
    let here = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../validators/bin/openapi-spec-validator");
    let found = [here, PathBuf::from("openapi-spec-validator")]
        .into_iter()
        .find(runs);
    if found.is_none() {
        eprintln!(
            "no openapi-spec-validator, so no validator of others was asked (deploy/validators/fetch gets it)"
        );
    }
    found
}

/// The objects of a JSON Lines file.
pub(crate) fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}")))
        .collect()
}

/// Every file below `folder`, sorted.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// What a run said, for the message of a failed assertion.
pub(crate) fn said(output: &Output) -> String {
    format!(
        "{}\n--- standard output\n{}\n--- standard error\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
