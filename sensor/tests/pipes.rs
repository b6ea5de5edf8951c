//! Captures that come through a pipe: read as they come, waited for, left at a signal.

mod support;

use std::fs;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use support::{all_outputs, folder, lines, said, tapline, testdata};

fn error_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim_end().to_owned()
}

/// The demo capture's header and its first `frames` frames.
fn demo(frames: usize) -> Vec<u8> {
    let bytes = fs::read(testdata("demo.pcap")).expect("the demo capture");
    let mut end = 24;
    for _ in 0..frames {
        let captured = u32::from_le_bytes(bytes[end + 8..end + 12].try_into().expect("four bytes"));
        end += 16 + captured as usize;
    }
    bytes[..end].to_vec()
}

#[test]
fn a_pipe_without_a_byte_is_told_as_one() {
    let empty = Command::new(env!("CARGO_BIN_EXE_tapline"))
        .args(["replay", "-"])
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs");
    assert_eq!(empty.status.code(), Some(3), "{}", said(&empty));
    assert_eq!(
        error_of(&empty),
        "tapline: standard input is empty: it has no bytes, not even a file header; see why the program before the \
         pipe wrote nothing; tcpdump writes there with -w -"
    );
    let device = tapline(&["replay", "/dev/null"]);
    assert!(!error_of(&device).contains("-w /dev/null"), "{}", said(&device));
}

#[test]
fn standard_input_is_a_capture_too() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tapline"))
        .args(["replay", "-", "--flows", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary runs");
    child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(&demo(300))
        .expect("it is read");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("{\"v\":1,\"id\":\"fl_"));
}

/// A run that reads a pipe to which `bytes` were written, and which stays open.
struct Waiting {
    child: Child,
    pipe: OwnedFd,
    out: PathBuf,
}

impl Waiting {
    fn on_standard_input(name: &str, bytes: &[u8]) -> Self {
        let out = folder(name);
        let mut child = Self::command(&out, Path::new("-"))
            .stdin(Stdio::piped())
            .spawn()
            .expect("it runs");
        let mut pipe = child.stdin.take().expect("a pipe");
        pipe.write_all(bytes).expect("it is read");
        let pipe = OwnedFd::from(pipe);
        Self { child, pipe, out }
    }

    fn on_named_pipe(name: &str, bytes: &[u8]) -> Self {
        let out = folder(name);
        let path = out.join("pipe");
        let made = Command::new("mkfifo").arg(&path).status().expect("mkfifo");
        assert!(made.success());
        let child = Self::command(&out, &path)
            .stdin(Stdio::null())
            .spawn()
            .expect("it runs");
        let mut pipe = fs::File::options().write(true).open(&path).expect("a pipe");
        pipe.write_all(bytes).expect("it is read");
        let pipe = OwnedFd::from(pipe);
        Self { child, pipe, out }
    }

    fn command(out: &Path, input: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tapline"));
        command
            .arg("replay")
            .arg(input)
            .args(all_outputs(out))
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command
    }

    fn until(&self, what: &str, holds: impl Fn(&Path) -> bool) {
        let begun = Instant::now();
        while !holds(&self.out) {
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "waited in vain: {what}"
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until nothing is left in the pipe, and a little longer for what was taken out of it.
    fn until_read(&self) {
        self.until("an empty pipe", |_| {
            rustix::io::ioctl_fionread(&self.pipe).is_ok_and(|left| left == 0)
        });
        thread::sleep(Duration::from_secs(1));
    }

    /// Sends a signal while the pipe is still open.
    fn signal(self, name: &str) -> (Output, PathBuf) {
        let Self { child, pipe, out } = self;
        let sent = Command::new("kill")
            .args(["-s", name, &child.id().to_string()])
            .status()
            .expect("kill");
        assert!(sent.success());
        let output = child.wait_with_output().expect("it ends");
        drop(pipe);
        (output, out)
    }
}

fn whole_lines(path: &Path) -> usize {
    fs::read(path).map_or(0, |text| text.iter().filter(|&&b| b == b'\n').count())
}

#[test]
fn a_pipe_that_goes_quiet_gives_findings_so_far_and_ends_at_a_signal() {
    let (demo, frames) = (fs::read(testdata("demo.pcap")).expect("the demo"), demo(2000));
    // Not at the end of a packet, as a pipe stalls anywhere.
    let cut = &demo[..demo.len() - 5];
    let run = Waiting::on_standard_input("input-quiet", cut);
    run.until("findings", |out| whole_lines(&out.join("findings.jsonl")) > 10);
    run.until_read();
    let (output, out) = run.signal("INT");
    assert_eq!(output.status.code(), Some(130), "{}", said(&output));
    assert!(error_of(&output).contains("SIGINT"), "{}", said(&output));
    assert!(!error_of(&output).contains("cut off"), "{}", said(&output));
    let whole = folder("input-quiet-whole");
    let output = tapline(
        &[
            &["replay".to_owned(), testdata("demo.pcap").display().to_string()][..],
            &all_outputs(&whole),
        ]
        .concat(),
    );
    assert!(output.status.success(), "{}", said(&output));
    // One packet is missing at most.
    let [some, all] = [&out, &whole].map(|folder| lines(&folder.join("exchanges.jsonl")).len());
    assert!(some + 1 >= all && some <= all, "{some} of {all}");

    let run = Waiting::on_named_pipe("input-quiet-fifo", &frames);
    run.until_read();
    let (output, out) = run.signal("TERM");
    assert_eq!(output.status.code(), Some(143), "{}", said(&output));
    assert!(whole_lines(&out.join("flows.jsonl")) > 0, "{}", said(&output));
}

#[test]
fn a_pipe_nobody_writes_to_can_be_left() {
    let out = folder("input-nobody");
    let path = out.join("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&path)
            .status()
            .expect("mkfifo")
            .success()
    );
    let child = Waiting::command(&out, &path)
        .stdin(Stdio::null())
        .spawn()
        .expect("it runs");
    let pipe = OwnedFd::from(fs::File::open("/dev/null").expect("the null device"));
    thread::sleep(Duration::from_millis(300));
    let (output, _) = Waiting { child, pipe, out }.signal("TERM");
    assert_eq!(output.status.code(), Some(143), "{}", said(&output));
    assert!(
        error_of(&output).contains("before there was anything to read"),
        "{}",
        said(&output)
    );
}

#[test]
fn a_named_pipe_is_a_capture_too() {
    let run = Waiting::on_named_pipe("input-fifo", &demo(300));
    let Waiting { child, pipe, out } = run;
    drop(pipe);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", said(&output));
    assert!(whole_lines(&out.join("flows.jsonl")) > 0);
}
