#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|input: fuzz::hpack::Input| fuzz::hpack::check(&input));

#[cfg(not(fuzzing))]
fn main() {}
