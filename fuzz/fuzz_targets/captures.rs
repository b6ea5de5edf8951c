#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|input: fuzz::captures::Input| fuzz::captures::check(&input));

#[cfg(not(fuzzing))]
fn main() {}
