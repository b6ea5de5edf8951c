#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|input: fuzz::spec::Input| fuzz::spec::check(&input));

#[cfg(not(fuzzing))]
fn main() {}
