//! What specifications are read as: all kinds, malformed ones, any bytes.

use super::*;

mod apis;
mod emit;
mod outline;

mod any;
mod details;
mod malformed;
mod matching;
mod public;

use outline::outline;

/// Reads a document as the program would.
fn load(name: &str, text: &str) -> Spec {
    read(name, text.as_bytes(), &Limits::default())
}

/// The problems of a document, a line each.
fn told(spec: &Spec) -> String {
    let lines: Vec<String> = spec.problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}
