#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|input: fuzz::shape::Input| fuzz::shape::check(&input));

#[cfg(not(fuzzing))]
fn main() {}
