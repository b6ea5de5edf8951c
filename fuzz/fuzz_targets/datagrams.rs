#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|input: fuzz::datagrams::Input| fuzz::datagrams::check(&input));

#[cfg(not(fuzzing))]
fn main() {}
