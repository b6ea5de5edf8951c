#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|input: fuzz::tokens::Input| fuzz::tokens::check(&input));

#[cfg(not(fuzzing))]
fn main() {}
