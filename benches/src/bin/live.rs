//! A live capture between network namespaces, measured: needs root and `ip`, and sends only to a namespace of its own.
//!
//! ```text
//! live rates TAPLINE CAPTURE [MBIT…]    how fast the sensor can be sent to until frames are lost, and that losses are counted
//! live soak TAPLINE FOLDER WARMUP MINUTES MBIT
//!                                       traffic without end: memory after so many minutes in which callers become known, losses, and
//!                                       the same findings from a recording
//! ```
//!
//! `send`, `chat`, `record` and `listen` are the parts of it that run within a namespace.

use std::process::ExitCode;

use benches::live;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args.as_slice() {
        ["rates", tapline, capture, rates @ ..] => live::rates(tapline, capture, rates),
        ["soak", tapline, folder, warm_up, minutes, mbit] => {
            live::soak(tapline, folder, (warm_up, minutes), mbit)
        }
        ["send", interface, capture, mbit, seconds] => live::send(interface, capture, mbit, seconds),
        ["chat", interface, mbit, seconds] => live::chat(interface, mbit, seconds),
        ["record", interface, file] => live::record(interface, file),
        ["listen", interface] => live::listen(interface),
        _ => Err(
            "usage: live rates TAPLINE CAPTURE [MBIT…] | live soak TAPLINE FOLDER WARMUP MINUTES MBIT"
                .to_owned(),
        ),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("live: {why}");
            ExitCode::FAILURE
        }
    }
}
