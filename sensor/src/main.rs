//! The `tapline` binary.

mod output;

fn main() {}
