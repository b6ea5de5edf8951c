#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|input: fuzz::websocket::Input| fuzz::websocket::check(&input));

#[cfg(not(fuzzing))]
fn main() {}
