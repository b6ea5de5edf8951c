//! What cannot be read, and what can be read in many forms: one clear message, the contracted exit status, and
//! everything readable reported.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use support::{folder, lines, said, tapline, testdata};

fn error_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim_end().to_owned()
}

/// Replays `bytes` as a file and checks status and message; `{}` in the message stands for the file.
#[track_caller]
fn check(name: &str, bytes: &[u8], status: i32, message: &str) -> Output {
    let path = folder("input")
        .parent()
        .expect("a folder")
        .join(format!("input-{name}"));
    fs::write(&path, bytes).expect("a file");
    let output = tapline(&[Path::new("replay"), &path]);
    assert_eq!(output.status.code(), Some(status), "{name}: {}", said(&output));
    let wanted = message.replace("{}", &path.display().to_string());
    let got = error_of(&output);
    assert_eq!(got, wanted, "{name}");
    output
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
fn what_is_no_capture_is_said_in_words() {
    check(
        "empty",
        b"",
        3,
        "tapline: {} is empty: it has no bytes, not even a file header; capture again, for one with tcpdump -w {}",
    );
    check(
        "text",
        b"time,host,path\n1,a,b\n",
        3,
        "tapline: {} is not a capture: it begins with text; tapline reads pcap and pcapng, also packed with gzip or zstd",
    );
    check(
        "elf",
        b"\x7fELF\x02\x01\x01",
        3,
        "tapline: {} is not a capture: it begins with the bytes 7f 45 4c 46; tapline reads pcap and pcapng, also packed with gzip or zstd",
    );
    check(
        "one byte",
        b"\xd4",
        3,
        "tapline: {} is not a capture: it begins with the bytes d4; tapline reads pcap and pcapng, also packed with gzip or zstd",
    );
}

#[test]
fn a_capture_cut_off_anywhere_gives_what_is_before_the_cut() {
    let whole = demo(40);
    let out = folder("input-cut");
    let exchanges = |bytes: &[u8], status: i32| {
        let (capture, lines_at) = (out.join("cut.pcap"), out.join("exchanges.jsonl"));
        fs::write(&capture, bytes).expect("a file");
        let output = tapline(&[
            "replay",
            &capture.display().to_string(),
            "--exchanges",
            &lines_at.display().to_string(),
        ]);
        assert_eq!(output.status.code(), Some(status), "{}", said(&output));
        (lines(&lines_at).len(), error_of(&output))
    };
    let (all, _) = exchanges(&whole, 0);
    assert!(all > 3, "{all} exchanges in forty frames");
    // Every place of the last frames: inside a record header, inside a frame.
    let before = demo(39).len();
    for cut in (before + 1)..whole.len() {
        let (some, said) = exchanges(&whole[..cut], 3);
        assert!(some > 0 && some <= all);
        let what = if cut < before + 16 {
            "a record header"
        } else {
            "a frame"
        };
        assert!(
            said.contains(&format!(
                "is cut off at byte {cut}, inside {what} that begins at byte {before}; 39 frames were read before it"
            )),
            "{said}"
        );
    }
    check(
        "cut header",
        &whole[..20],
        3,
        "tapline: {} is cut off at byte 20, inside the file header that begins at byte 0; no frame was read before it",
    );
}

#[test]
fn damage_in_a_later_block_is_told_with_its_place() {
    let whole = pcapng(&frames(&demo(3)));
    // A section header of 28 bytes, and a block that no reader knows.
    let second = 28;
    let mut bytes = whole.clone();
    bytes[second + 4] = 0xff;
    check(
        "second block",
        &bytes,
        3,
        "tapline: {} is damaged at byte 28: a block gives its length as 255 bytes; no frame was read before it",
    );
    check(
        "cut block",
        &whole[..second + 6],
        3,
        "tapline: {} is cut off at byte 34, inside a block header that begins at byte 28; no frame was read before it",
    );
}

#[test]
fn a_capture_without_packets_is_not_called_a_loss_nor_whole() {
    let path = folder("input-none").join("none.pcap");
    fs::write(&path, demo(0)).expect("a file");
    let output = tapline(&["replay", &path.display().to_string(), "--flows", "/dev/null"]);
    assert_eq!(
        error_of(&output),
        "tapline: 0 packets → 0 TCP flows → 0 exchanges (no packets)"
    );
}

#[test]
fn the_name_of_a_file_moves_no_cursor() {
    let output = tapline(&["replay", "/no/such/\u{1b}[2Jfile"]);
    assert!(!error_of(&output).contains('\u{1b}'), "{}", said(&output));
}

#[test]
fn a_user_who_may_only_read_sees_what_a_store_knows() {
    let place = std::env::temp_dir().join(format!("tapline-read-{}", std::process::id()));
    let store = place.join("store").display().to_string();
    fs::create_dir_all(&place).expect("a folder");
    let demo = testdata("demo.pcap").display().to_string();
    let made = tapline(&["replay", &demo, "--store", &store]);
    assert!(made.status.success(), "{}", said(&made));
    for (path, mode) in [(&place.display().to_string(), 0o755), (&store, 0o555)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("rights");
    }
    let listed = || support::files(Path::new(&store));
    let before = listed();
    let database = Path::new(&store).join("tapline.db");
    let rights = |mode| fs::set_permissions(&database, fs::Permissions::from_mode(mode)).expect("rights");
    // As it is made it is for its owner and group.
    let by_default = as_nobody(&["agents", "--store", &store]);
    rights(0o644);
    let shown = as_nobody(&["findings", "--store", &store, "--json"]);
    rights(0o600);
    let hidden = as_nobody(&["agents", "--store", &store]);
    let after = listed();
    let own = tapline(&["findings", "--store", &store, "--json"]);
    let _ = fs::remove_dir_all(&place);
    let (Some(shown), Some(hidden)) = (shown, hidden) else {
        eprintln!("skipped: only root can become a user without rights");
        return;
    };
    assert_eq!(shown.status.code(), Some(0), "{}", said(&shown));
    assert_eq!(shown.stdout, own.stdout);
    assert_eq!(before, after, "reading leaves nothing behind");
    assert_eq!(by_default.and_then(|run| run.status.code()), Some(3));
    assert_eq!(hidden.status.code(), Some(3), "{}", said(&hidden));
    assert!(
        error_of(&hidden).starts_with("tapline: cannot read the store"),
        "{}",
        said(&hidden)
    );
}

#[test]
fn lengths_that_cannot_be_are_told_and_not_believed() {
    let mut bytes = demo(5);
    let end = bytes.len();
    bytes.extend_from_slice(&[
        0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff, 0x7f,
    ]);
    bytes.extend_from_slice(&[0; 4096]);
    let path = folder("input-absurd").join("absurd.pcap");
    fs::write(&path, &bytes).expect("a file");
    let output = tapline(&[Path::new("replay"), &path]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    let wanted = format!(
        "is damaged at byte {end}: a frame claims 2147483647 bytes, over the limit of 262144; 5 frames were read before it"
    );
    assert!(error_of(&output).contains(&wanted), "{}", said(&output));
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("packets"),
        "{}",
        said(&output)
    );
}

#[test]
fn noise_is_read_and_counted_without_panic() {
    // A linear congruential generator is noise enough, and the same every time.
    let mut state = 1_u64;
    let mut noise = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    let mut bytes = demo(0);
    for i in 0..2000_u32 {
        let length = u32::from(noise()) * 4;
        for word in [i, 0, length, length] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend((0..length).map(|_| noise()));
    }
    let path = folder("input-noise").join("noise.pcap");
    fs::write(&path, &bytes).expect("a file");
    let output = tapline(&[Path::new("replay"), &path]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("2,000"),
        "{}",
        said(&output)
    );
    assert!(!error_of(&output).contains("panic"), "{}", said(&output));
    // Noise right behind the header of each format.
    for magic in [
        &[0xd4, 0xc3, 0xb2, 0xa1][..],
        &[0x0a, 0x0d, 0x0d, 0x0a],
        &[0x1f, 0x8b],
        &[0x28, 0xb5, 0x2f, 0xfd],
    ] {
        let mut bytes = magic.to_vec();
        bytes.extend((0..5000).map(|_| noise()));
        fs::write(&path, &bytes).expect("a file");
        let output = tapline(&[Path::new("replay"), &path]);
        assert_eq!(output.status.code(), Some(3), "{magic:?}: {}", said(&output));
        assert_eq!(
            error_of(&output).lines().count(),
            1,
            "{magic:?}: {}",
            said(&output)
        );
    }
}

#[test]
fn a_bad_file_among_good_ones_does_not_hide_them() {
    let out = folder("input-many");
    let [good, bad, gone] =
        ["good.pcap", "bad.pcap", "gone.pcap"].map(|name| out.join(name).display().to_string());
    fs::write(&good, demo(200)).expect("a file");
    fs::write(&bad, "text").expect("a file");
    let found = out.join("exchanges.jsonl");
    let found_name = found.display().to_string();
    let count = |files: &[&str], status: i32| {
        let output = tapline(&[&["replay", "--exchanges", &found_name], files].concat());
        assert_eq!(output.status.code(), Some(status), "{}", said(&output));
        (lines(&found).len(), error_of(&output))
    };
    let (alone, _) = count(&[&good], 0);
    let (among, said) = count(&[&bad, &good], 3);
    assert_eq!(among, alone);
    assert!(said.contains("bad.pcap is not a capture"), "{said}");
    // A name that is misspelt is told before anything is read, and costs no earlier result.
    let (kept, said) = count(&[&good, &gone], 3);
    assert_eq!(kept, alone);
    assert!(said.contains("gone.pcap: No such file"), "{said}");
    assert!(count(&[&good, &good], 0).0 >= alone);
}

#[test]
fn a_folder_a_missing_file_and_a_missing_interface_are_named() {
    let output = tapline(&[Path::new("replay"), &folder("input-folder")]);
    assert_eq!(output.status.code(), Some(3));
    assert!(error_of(&output).contains("Is a directory"), "{}", said(&output));
    let output = tapline(&["replay", "/does/not/exist.pcap"]);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(
        error_of(&output),
        "tapline: cannot open /does/not/exist.pcap: No such file or directory (os error 2); check the path"
    );
    let output = tapline(&["capture", "-i", "nosuch0"]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    let said = error_of(&output);
    assert!(
        said.contains("nosuch0")
            && (said.contains("this machine has lo") || said.contains("setcap") || said.contains(", lo")),
        "{said}"
    );
}

/// Runs the binary as a user without rights; only root can.
fn as_nobody(arguments: &[&str]) -> Option<Output> {
    // The target folder may be closed to others, so that user gets a copy.
    let place = PathBuf::from(format!("/tmp/tapline-test-{}", std::process::id()));
    fs::create_dir_all(&place).ok()?;
    let copy = place.join("tapline");
    fs::copy(env!("CARGO_BIN_EXE_tapline"), &copy).ok()?;
    for path in [&place, &copy] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).ok()?;
    }
    let output = Command::new(&copy)
        .args(arguments)
        .uid(65_534)
        .gid(65_534)
        .output();
    let _ = fs::remove_dir_all(&place);
    output.ok()
}

#[test]
fn without_the_right_to_read_or_capture_the_way_out_is_told() {
    let path = folder("input-rights").join("secret.pcap");
    fs::write(&path, demo(3)).expect("a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("rights");
    let place = std::env::temp_dir().join(format!("tapline-secret-{}.pcap", std::process::id()));
    fs::copy(&path, &place).expect("a copy");
    fs::set_permissions(&place, fs::Permissions::from_mode(0o600)).expect("rights");
    let name = place.display().to_string();
    let replayed = as_nobody(&["replay", &name]);
    let captured = as_nobody(&["capture", "-i", "lo", "--duration", "1s"]);
    let _ = fs::remove_file(&place);
    let (Some(replayed), Some(captured)) = (replayed, captured) else {
        eprintln!("skipped: only root can become a user without rights");
        return;
    };
    assert_eq!(replayed.status.code(), Some(3), "{}", said(&replayed));
    assert!(
        error_of(&replayed).contains("Permission denied"),
        "{}",
        said(&replayed)
    );
    assert!(error_of(&replayed).contains("ls -l"), "{}", said(&replayed));
    assert_eq!(captured.status.code(), Some(3), "{}", said(&captured));
    assert!(
        error_of(&captured).contains("sudo setcap cap_net_raw+ep"),
        "{}",
        said(&captured)
    );
    assert_eq!(error_of(&captured).lines().count(), 1, "{}", said(&captured));
}

/// A frame and its time.
type Frames = Vec<(u64, Vec<u8>)>;

/// The frames of a little-endian capture with nanoseconds, which the demo is.
fn frames(bytes: &[u8]) -> Frames {
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    assert_eq!(word(0), 0xa1b2_3c4d);
    let (mut at, mut frames) = (24, Vec::new());
    while at < bytes.len() {
        let time = u64::from(word(at)) * 1_000_000_000 + u64::from(word(at + 4));
        let end = at + 16 + word(at + 8) as usize;
        frames.push((time, bytes[at + 16..end].to_vec()));
        at = end;
    }
    frames
}

/// The frames as classic pcap, by byte order and unit of time.
fn pcap(frames: &Frames, big_endian: bool, nanoseconds: bool) -> Vec<u8> {
    let word = |value: u32| {
        if big_endian {
            value.to_be_bytes()
        } else {
            value.to_le_bytes()
        }
    };
    let mut out = Vec::new();
    out.extend(word(if nanoseconds { 0xa1b2_3c4d } else { 0xa1b2_c3d4 }));
    out.extend(word(if big_endian { 0x0002_0004 } else { 0x0004_0002 }));
    for value in [0, 0, 262_144, 1] {
        out.extend(word(value));
    }
    for (at, frame) in frames {
        let fraction = (at % 1_000_000_000) as u32;
        let length = frame.len() as u32;
        for value in [
            (at / 1_000_000_000) as u32,
            if nanoseconds { fraction } else { fraction / 1000 },
            length,
            length,
        ] {
            out.extend(word(value));
        }
        out.extend(frame);
    }
    out
}

/// The frames as pcapng: two sections of opposite byte order, each with two interfaces of different time
/// resolution and a block that no reader knows.
fn pcapng(frames: &Frames) -> Vec<u8> {
    let mut out = Vec::new();
    let half = frames.len() / 2;
    for (part, big_endian) in [(&frames[..half], false), (&frames[half..], true)] {
        let word = |value: u32| {
            if big_endian {
                value.to_be_bytes()
            } else {
                value.to_le_bytes()
            }
        };
        let short = |value: u16| {
            if big_endian {
                value.to_be_bytes()
            } else {
                value.to_le_bytes()
            }
        };
        let mut block = |kind: u32, body: &[u8]| {
            let length = (12 + body.len().next_multiple_of(4)) as u32;
            out.extend(word(kind));
            out.extend(word(length));
            out.extend(body);
            out.resize(out.len().next_multiple_of(4), 0);
            out.extend(word(length));
        };
        let mut header = word(0x1a2b_3c4d).to_vec();
        header.extend(short(1));
        header.extend(short(0));
        header.extend([0xff; 8]);
        block(0x0a0d_0d0a, &header);
        block(0x0bad_cafe, &[7; 5]);
        for (resolution, offset) in [(9_u8, 0_u64), (0x80 | 30, 1_000_000_000)] {
            let mut body = short(1).to_vec();
            body.extend([0; 2]);
            body.extend(word(0));
            body.extend(short(9));
            body.extend(short(1));
            body.extend([resolution, 0, 0, 0]);
            body.extend(short(14));
            body.extend(short(8));
            body.extend(if big_endian {
                offset.to_be_bytes()
            } else {
                offset.to_le_bytes()
            });
            body.extend([0; 4]);
            block(1, &body);
        }
        for (i, (at, frame)) in part.iter().enumerate() {
            // 2^-30 s is a little shorter than a nanosecond: rounding up gives the nanosecond back.
            let units = if i % 2 == 0 {
                *at
            } else {
                let since = u128::from(at - 1_000_000_000_000_000_000);
                u64::try_from((since << 30).div_ceil(1_000_000_000)).expect("a time")
            };
            let mut body = word((i % 2) as u32).to_vec();
            for value in [
                (units >> 32) as u32,
                units as u32,
                frame.len() as u32,
                frame.len() as u32,
            ] {
                body.extend(word(value));
            }
            body.extend(frame);
            block(6, &body);
        }
    }
    out
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).expect("memory");
    packed.finish().expect("memory")
}

#[test]
fn every_format_gives_the_same_exchanges() {
    let out = folder("input-formats");
    let bytes = fs::read(testdata("demo.pcap")).expect("the demo capture");
    let frames = frames(&bytes);
    let replay = |name: &str, bytes: &[u8]| {
        let (capture, found) = (out.join(name), out.join(format!("{name}.jsonl")));
        fs::write(&capture, bytes).expect("a file");
        let output = tapline(&[
            "replay",
            &capture.display().to_string(),
            "--exchanges",
            &found.display().to_string(),
        ]);
        assert_eq!(output.status.code(), Some(0), "{name}: {}", said(&output));
        fs::read_to_string(found).expect("exchanges")
    };
    let wanted = replay("as it is", &bytes);
    assert!(wanted.lines().count() > 1000);
    let little = pcap(&frames, false, true);
    // The end of one member of a gzip file is not the end of the file.
    let (front, back) = little.split_at(little.len() / 3);
    for (name, bytes) in [
        ("big-endian", pcap(&frames, true, true)),
        ("gzip", gzip(&little)),
        ("gzip of two members", [gzip(front), gzip(back)].concat()),
        ("zstd", zstd::encode_all(&little[..], 1).expect("memory")),
        ("pcapng", pcapng(&frames)),
        ("pcapng in gzip", gzip(&pcapng(&frames))),
    ] {
        assert!(replay(name, &bytes) == wanted, "{name} differs");
    }
    let micro = replay("microseconds", &pcap(&frames, false, false));
    assert_eq!(micro.lines().count(), wanted.lines().count());
    assert!(micro.lines().all(|line| line.contains("000Z\",\"flow\"")));
    let cut = gzip(&little);
    let output = {
        let path = out.join("cut.gz");
        fs::write(&path, &cut[..cut.len() / 2]).expect("a file");
        tapline(&[Path::new("replay"), &path])
    };
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(
        error_of(&output).contains("is cut off inside its compressed data"),
        "{}",
        said(&output)
    );
}
