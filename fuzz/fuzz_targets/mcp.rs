#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|input: fuzz::mcp::Input| fuzz::mcp::check(&input));

#[cfg(not(fuzzing))]
fn main() {}
