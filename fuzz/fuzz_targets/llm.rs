#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|input: fuzz::llm::Input| fuzz::llm::check(&input));

#[cfg(not(fuzzing))]
fn main() {}
