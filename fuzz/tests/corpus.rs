//! Replays the corpus of every target with the compiler of the project: what was once found, and what shows much of the
//! code, is tried without the fuzzer too.

use std::fs;
use std::path::Path;

use arbitrary::{Arbitrary, Unstructured};

/// Gives every file of a target's corpus to it, as libFuzzer does.
fn replay<T: for<'a> Arbitrary<'a>>(target: &str, check: impl Fn(&T)) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(
        (1..=20).contains(&files.len()),
        "{} files in the corpus of {target}",
        files.len()
    );
    for file in files {
        println!("{}", file.display());
        let bytes = fs::read(&file).unwrap();
        assert!(bytes.len() <= 4096, "a large file");
        // libFuzzer passes over what is too short.
        if let Ok(input) = T::arbitrary_take_rest(Unstructured::new(&bytes)) {
            check(&input);
        }
    }
}

macro_rules! targets {
    ($($target:ident)*) => { $(
        #[test]
        fn $target() {
            replay(stringify!($target), |input| fuzz::$target::check(input));
        }
    )* };
}

targets! { packets tcp http1 http2 hpack grpc websocket sse hellos tls datagrams captures shape spec mcp a2a llm tokens content }
