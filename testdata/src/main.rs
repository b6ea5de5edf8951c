//! The command: writes a capture to a file.

use std::path::Path;
use std::process::ExitCode;
use std::{env, fs, io};

use testdata::{canary, credentials, demo, shapes};

const USAGE: &str = "usage: testdata demo FOLDER       writes demo.pcap and demo.truth.jsonl
       testdata canary FILE.pcap  writes a capture full of planted secrets
       testdata credentials FOLDER  writes a capture for each way in which a credential may be wrong, its settings beside
       testdata shapes FILE.pcap  writes calls of APIs that are built in many ways";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["demo", folder] => write_demo(Path::new(folder)),
        ["canary", file] => write(Path::new(file), &canary::canary(demo::SEED).pcap),
        ["credentials", folder] => write_credentials(Path::new(folder)),
        ["shapes", file] => write(Path::new(file), &shapes::shapes(demo::SEED)),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("testdata: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::write(path, bytes)
        .map_err(|error| io::Error::new(error.kind(), format!("cannot write {}: {error}", path.display())))?;
    println!("{}: {} bytes", path.display(), bytes.len());
    Ok(())
}

fn write_demo(folder: &Path) -> io::Result<()> {
    let day = demo::demo(demo::SEED);
    write(&folder.join("demo.pcap"), &day.pcap)?;
    write(&folder.join("demo.truth.jsonl"), day.truth.as_bytes())
}

fn write_credentials(folder: &Path) -> io::Result<()> {
    for case in credentials::cases() {
        write(&folder.join(format!("{}.pcap", case.name)), &case.pcap)?;
        write(
            &folder.join(format!("{}.toml", case.name)),
            case.settings.as_bytes(),
        )?;
        if let Some(keys) = &case.keys {
            write(&folder.join(format!("{}.jwks.json", case.name)), keys.as_bytes())?;
        }
    }
    Ok(())
}
