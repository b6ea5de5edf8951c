//! `tapline intent keygen` and `tapline intent sign`.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use analyzers::intent::Policies;
use analyzers::intent::signature::PrivateKey;
use anyhow::Context as _;

use crate::args::{IntentKeygenArgs, IntentSignArgs};
use crate::exit::{Failure, Status};
use crate::intent;
use crate::message;

/// Bytes of the file of a key; ours have a hundred.
const LARGEST: u64 = 4096;

pub(super) fn keygen(args: &IntentKeygenArgs) -> Result<Status, Failure> {
    let file = |end: &str| -> PathBuf {
        let mut name = OsString::from(args.out.as_os_str());
        name.push(end);
        name.into()
    };
    let (private, public) = (file(".key"), file(".pub"));
    let mut seed = [0; 32];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut seed))
        .context("cannot read random bytes from /dev/urandom")
        .map_err(Failure::output)?;
    let key = PrivateKey::of(&seed);
    write_new(&private, &key.file(), 0o600)?;
    write_new(&public, &key.public().file(), 0o644)?;
    super::super::print(&format!(
        "{}: the private key, for the one who signs; readable by you only\n{}: the public key {}, for intent.trusted_keys of sensors\n",
        private.display(),
        public.display(),
        key.public().id()
    ))
}

/// Writes a file that must not be there yet: keys are never overwritten.
fn write_new(path: &Path, text: &str, rights: u32) -> Result<(), Failure> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(rights)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| {
            let what = match error.kind() {
                std::io::ErrorKind::AlreadyExists => {
                    "it is there already, and keys are not overwritten".to_owned()
                }
                _ => error.to_string(),
            };
            Failure::usage(anyhow::anyhow!("cannot write {}: {what}", path.display()))
        })
}

pub(super) fn sign(args: &IntentSignArgs) -> Result<Status, Failure> {
    let name = args.policy.display().to_string();
    let text = intent::read(&args.policy).map_err(Failure::usage)?;
    // What cannot be used should not be vouched for.
    Policies::default()
        .add(&name, &text)
        .map_err(|mistakes| Failure::usage(anyhow::anyhow!(intent::told(&name, &mistakes))))?;
    let mut written = String::new();
    File::open(&args.key)
        .and_then(|file| file.take(LARGEST).read_to_string(&mut written))
        .with_context(|| format!("cannot read the key {}", args.key.display()))
        .map_err(Failure::usage)?;
    let key = PrivateKey::read(&written)
        .map_err(|wrong| Failure::usage(anyhow::anyhow!("{} cannot be used: {wrong}", args.key.display())))?;
    if is_open(&args.key) {
        message::warn(&format!(
            "{} can be read by others than you; `chmod 600` it",
            args.key.display()
        ));
    }
    let out = args
        .out
        .clone()
        .unwrap_or_else(|| intent::signature_of(&args.policy));
    super::super::write_out(&out, &key.sign(&text))?;
    message::info(&format!(
        "{}: signature of {name} by {}",
        out.display(),
        key.public().id()
    ));
    Ok(Status::Done)
}

fn is_open(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o077 != 0)
}
