#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|input: fuzz::a2a::Input| fuzz::a2a::check(&input));

#[cfg(not(fuzzing))]
fn main() {}
