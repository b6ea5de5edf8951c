#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|input: Vec<fuzz::hellos::Turn>| fuzz::hellos::check(&input));

#[cfg(not(fuzzing))]
fn main() {}
