#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|input: fuzz::http2::Input| fuzz::http2::check(&input));

#[cfg(not(fuzzing))]
fn main() {}
