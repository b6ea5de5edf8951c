#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|input: fuzz::grpc::Input| fuzz::grpc::check(&input));

#[cfg(not(fuzzing))]
fn main() {}
