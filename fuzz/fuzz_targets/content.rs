#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|input: fuzz::content::Input| fuzz::content::check(&input));

#[cfg(not(fuzzing))]
fn main() {}
