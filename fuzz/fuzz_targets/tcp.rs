#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|input: fuzz::tcp::Input| fuzz::tcp::check(&input));

#[cfg(not(fuzzing))]
fn main() {}
