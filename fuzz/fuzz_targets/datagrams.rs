#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|input: Vec<fuzz::datagrams::Datagram>| fuzz::datagrams::check(&input));

#[cfg(not(fuzzing))]
fn main() {}
