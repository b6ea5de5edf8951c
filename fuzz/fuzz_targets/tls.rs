#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|input: fuzz::tls::Input| fuzz::tls::check(&input));

#[cfg(not(fuzzing))]
fn main() {}
