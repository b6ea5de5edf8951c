#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|input: Vec<fuzz::http1::Turn>| fuzz::http1::check(&input));

#[cfg(not(fuzzing))]
fn main() {}
