#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|input: fuzz::sse::Input| fuzz::sse::check(&input));

#[cfg(not(fuzzing))]
fn main() {}
