//! Usage and configuration: help worth reading, mistakes told, outputs that cannot be written.

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use support::{folder, lines, said, tapline, testdata};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn demo() -> String {
    testdata("demo.pcap").display().to_string()
}

/// Help without the width of whatever terminal runs the tests.
fn help(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_tapline"))
        .args(arguments)
        .env("COLUMNS", "100")
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs");
    assert!(output.status.success(), "{}", said(&output));
    text(&output.stdout)
        .lines()
        .map(|l| format!("{}\n", l.trim_end()))
        .collect()
}

#[test]
fn help_reads_well() {
    insta::assert_snapshot!("help", help(&["--help"]));
    insta::assert_snapshot!("help_replay", help(&["replay", "--help"]));
    insta::assert_snapshot!("help_capture", help(&["capture", "--help"]));
}

#[test]
fn wrong_usage_ends_with_status_2_and_says_what_is_right() {
    let check = |arguments: &[&str], wanted: &str| {
        let output = tapline(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", said(&output));
        assert!(
            text(&output.stderr).contains(wanted),
            "{arguments:?}: {}",
            said(&output)
        );
        assert!(output.stdout.is_empty(), "{arguments:?}: {}", said(&output));
    };
    check(&["replay"], "<FILE>...");
    check(&["replay", "x.pcap", "--finding", "-"], "--findings");
    check(&["replay", "x.pcap", "--workers", "0"], "1..=64");
    check(&["replay", "x.pcap", "--read-size", "0"], "1 byte to 1 GiB");
    check(
        &["replay", "x.pcap", "--read-size", "ten"],
        "write e.g. 64MiB or 4096",
    );
    check(&["replay", "x.pcap", "--reveal", "bodies"], "query");
    check(
        &["replay", "x.pcap", "--config", "/does/not/exist.toml"],
        "cannot read the configuration /does/not/exist.toml",
    );
    check(&["capture", "--duration", "long"], "write e.g. 250ms");
    check(
        &["replay", "x.pcap", "--kafka", ""],
        "a value is required for '--kafka",
    );
    check(&["capture"], "which interface? give one with -i");
    check(&["schema", "findings"], "finding");
    check(
        &["replay", &demo(), "--findings", "-", "--agents", "-"],
        "--findings and --agents both write to -",
    );
}

#[test]
fn outputs_that_would_mix_or_destroy_are_refused_before_anything_is_touched() {
    let out = folder("usage-same");
    let (capture, file) = (out.join("c.pcap"), out.join("x.jsonl"));
    fs::copy(testdata("demo.pcap"), &capture).expect("a copy");
    std::os::unix::fs::symlink(&file, out.join("link")).expect("a link");
    fs::write(&file, "kept\n").expect("a file");
    let refused = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_tapline"))
            .current_dir(&out)
            .args(arguments)
            .output()
            .expect("the binary runs");
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert_eq!(fs::read_to_string(&file).expect("the file"), "kept\n");
    };
    refused(&[
        "replay",
        "c.pcap",
        "--exchanges",
        "x.jsonl",
        "--flows",
        "./x.jsonl",
    ]);
    refused(&["replay", "c.pcap", "--exchanges", "x.jsonl", "--flows", "link"]);
    refused(&[
        "replay",
        "c.pcap",
        "--exchanges",
        "new.jsonl",
        "--flows",
        "../usage-same/new.jsonl",
    ]);
    refused(&["replay", "c.pcap", "--exchanges", "c.pcap"]);
    assert_eq!(
        fs::read(&capture).expect("the capture"),
        fs::read(testdata("demo.pcap")).expect("the demo")
    );
    // What the run itself rests on is as safe, by whatever name: the store and all its folder, also before it is there,
    // the configuration, the key.
    let store = tapline(&[
        "replay",
        &demo(),
        "--store",
        &out.join("store").display().to_string(),
    ]);
    assert!(store.status.success(), "{}", said(&store));
    fs::write(out.join("key"), "0123456789abcdef".repeat(4)).expect("a key");
    fs::write(out.join("c.toml"), "[privacy]\nhash_key_file = \"key\"\n").expect("a file");
    fs::hard_link(out.join("store/tapline.db"), out.join("hard")).expect("a link");
    fs::hard_link(out.join("store/lock"), out.join("hard-lock")).expect("a link");
    std::os::unix::fs::symlink("store/new", out.join("dangling")).expect("a link");
    let database = fs::read(out.join("store/tapline.db")).expect("the store");
    for output in [
        "store/tapline.db",
        "store/lock",
        "store/spool/x",
        "hard",
        "hard-lock",
        "dangling",
        "c.toml",
        "key",
    ] {
        for option in ["--exchanges", "--agents"] {
            refused(&[
                "replay", "c.pcap", "--config", "c.toml", "--store", "store", option, output,
            ]);
        }
    }
    refused(&[
        "replay",
        "c.pcap",
        "--store",
        "later",
        "--flows",
        "later/tapline.db",
    ]);
    assert!(!out.join("later").exists());
    assert_eq!(
        fs::read(out.join("store/tapline.db")).expect("the store"),
        database
    );
    let output = tapline(&[
        "replay",
        &demo(),
        "--exchanges",
        "/dev/null",
        "--flows",
        "/dev/null",
    ]);
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn a_full_disk_is_told_once_and_the_rest_goes_on() {
    let out = folder("usage-full");
    let flows = out.join("flows.jsonl").display().to_string();
    let output = tapline(&["replay", &demo(), "--exchanges", "/dev/full", "--flows", &flows]);
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    let said_so = text(&output.stderr);
    assert_eq!(
        said_so
            .matches("cannot write to /dev/full: No space left on device")
            .count(),
        1,
        "{said_so}"
    );
    let whole = out.join("whole.jsonl").display().to_string();
    assert!(tapline(&["replay", &demo(), "--flows", &whole]).status.success());
    assert_eq!(lines(Path::new(&flows)), lines(Path::new(&whole)));
    let output = tapline(&["replay", &demo(), "--exchanges", "/does/not/exist/x"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(
        text(&output.stderr).contains("cannot open /does/not/exist/x for --exchanges"),
        "{}",
        said(&output)
    );
}

#[test]
fn what_a_run_cannot_do_costs_no_earlier_result() {
    let out = folder("usage-kept");
    let [kept, wrong, database] = ["kept.jsonl", "wrong.toml", "store/tapline.db"].map(|name| out.join(name));
    fs::create_dir(out.join("store")).expect("a folder");
    fs::write(&database, "not a database").expect("a file");
    fs::write(
        &wrong,
        "[kafka]\nbrokers = \"a:1\"\ntls_ca = \"/does/not/exist\"\n",
    )
    .expect("a file");
    let store = out.join("store").display().to_string();
    let wrong = wrong.display().to_string();
    for (arguments, status) in [
        (&["misspelt.pcap"][..], 3),
        (&[&demo(), "--store", &store], 2),
        (&[&demo(), "--config", &wrong], 2),
        (&[&demo(), "--flows", "/does/not/exist/x"], 2),
    ] {
        fs::write(&kept, "kept\n").expect("a file");
        let kept_name = kept.display().to_string();
        let output = tapline(&[&["replay", "--findings", &kept_name], arguments].concat());
        assert_eq!(
            output.status.code(),
            Some(status),
            "{arguments:?}: {}",
            said(&output)
        );
        assert_eq!(
            fs::read_to_string(&kept).expect("the file"),
            "kept\n",
            "{arguments:?}"
        );
    }
}

/// Runs a shell line; `$T` is the binary and `$D` the demo.
fn shell(line: &str) -> Output {
    Command::new("bash")
        .args(["-c", line])
        .env("T", env!("CARGO_BIN_EXE_tapline"))
        .env("D", testdata("demo.pcap"))
        .env_remove("NO_COLOR")
        .env("TERM", "xterm")
        .output()
        .expect("bash runs")
}

#[test]
fn a_limit_on_the_size_of_files_is_a_full_disk() {
    let out = folder("usage-limit");
    let out = out.display();
    let output = shell(&format!(
        "ulimit -f 300; $T replay $D --exchanges {out}/x --findings {out}/f --agents {out}/a"
    ));
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    let said_so = text(&output.stderr);
    assert_eq!(said_so.matches("cannot write to").count(), 1, "{said_so}");
    assert!(
        said_so.contains("File too large") && said_so.contains("ulimit -f"),
        "{said_so}"
    );
    let whole = shell(&format!("$T replay $D --findings {out}/f2 --agents {out}/a2"));
    assert!(whole.status.success(), "{}", said(&whole));
    let read = |name: &str| fs::read(format!("{out}/{name}")).expect("a file");
    assert!(read("f") == read("f2") && read("a") == read("a2"));
}

#[test]
fn a_store_that_cannot_grow_is_not_said_to_be_kept() {
    let out = folder("usage-limit-store");
    let line = format!("ulimit -f 300; $T replay $D --store {}/store", out.display());
    let output = shell(&line);
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    assert!(
        text(&output.stderr).contains("what is learned from here on is not kept"),
        "{}",
        said(&output)
    );
    let summary = text(&output.stdout);
    assert!(summary.contains("What was learned is not kept"), "{summary}");
    assert!(!summary.contains("the next run goes on from it"), "{summary}");
}

#[test]
fn a_store_may_have_a_name_that_is_no_text() {
    use std::ffi::{OsStr, OsString};
    use std::os::unix::ffi::OsStrExt as _;
    let out = folder("usage-name");
    let store = out.join(OsStr::from_bytes(b"st\xffre"));
    let arguments = |command: &str, more: &[&str]| -> Vec<OsString> {
        let fixed = [command.into(), "--store".into(), store.clone().into_os_string()];
        fixed.into_iter().chain(more.iter().map(OsString::from)).collect()
    };
    let output = tapline(&arguments("replay", &[&demo()]));
    assert!(output.status.success(), "{}", said(&output));
    assert!(store.join("tapline.db").exists());
    assert_eq!(fs::read_dir(&out).expect("a folder").count(), 1);
    let output = tapline(&arguments("findings", &["--json"]));
    assert!(
        output.status.success() && !output.stdout.is_empty(),
        "{}",
        said(&output)
    );
}

#[test]
fn every_line_fits_the_terminal() {
    for width in [60, 80, 132] {
        let output = shell(&format!(
            "script -qec \"stty cols {width}; $T replay $D 2>/dev/null\" /dev/null </dev/null"
        ));
        let shown = text(&output.stdout);
        assert!(shown.contains("Endpoints"), "{}", said(&output));
        let mut escaped = false;
        for line in shown.lines().filter(|line| !line.contains("testdata/demo.pcap")) {
            // What colours take no room.
            let room = line.chars().filter(|&c| {
                let colour = escaped || c == '\u{1b}';
                escaped = colour && c != 'm';
                !colour && !c.is_control()
            });
            assert!(room.count() <= width, "{width}: {line}");
        }
    }
    for plain in ["TERM=", "TERM=dumb", "NO_COLOR=1"] {
        let output = shell(&format!(
            "{plain} script -qec \"$T replay $D\" /dev/null </dev/null"
        ));
        assert!(
            !text(&output.stdout).contains('\u{1b}'),
            "{plain}: {}",
            said(&output)
        );
    }
}

/// The summary and every other text go to standard output too, and it may be full as well.
#[test]
fn a_full_standard_output_is_told() {
    for arguments in [
        &["replay", &demo()][..],
        &["config", "default"],
        &["replay", &demo(), "--exchanges", "-"],
    ] {
        let full = fs::File::options()
            .write(true)
            .open("/dev/full")
            .expect("/dev/full");
        let output = Command::new(env!("CARGO_BIN_EXE_tapline"))
            .args(arguments)
            .stdout(full)
            .output()
            .expect("the binary runs");
        assert_eq!(output.status.code(), Some(4), "{arguments:?} {}", said(&output));
        assert!(
            text(&output.stderr).contains("cannot write to standard output"),
            "{}",
            said(&output)
        );
    }
}

#[test]
fn a_reader_that_goes_away_ends_the_run_quietly() {
    use std::io::Read as _;
    let mut child = Command::new(env!("CARGO_BIN_EXE_tapline"))
        .args(["replay", &demo(), &demo(), &demo(), "--exchanges", "-"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut first = [0; 100];
    child
        .stdout
        .take()
        .expect("a pipe")
        .read_exact(&mut first)
        .expect("a line");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", said(&output));
    assert!(!text(&output.stderr).contains("Broken pipe"), "{}", said(&output));
}

#[test]
fn configuration_is_checked_shown_and_used() {
    let out = folder("usage-config");
    let file = out.join("tapline.toml");
    let path = file.display().to_string();
    fs::write(&file, "[capture]\nsnaplen = 1\n[log]\nlevle = \"warn\"\n").expect("a file");
    for arguments in [
        &["config", "check", &path][..],
        &["config", "show", &path],
        &["replay", &demo(), "--config", &path],
    ] {
        let output: Output = tapline(arguments);
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert_eq!(
            text(&output.stderr),
            format!(
                "tapline: 2 mistakes in {path}\n  2:11  capture.snaplen is out of range; it must be 96 to 262144\n  \
                 4:1   unknown key `log.levle`; did you mean `log.level`?\n"
            )
        );
    }
    // Also what only librdkafka and the disk can tell.
    fs::write(
        &file,
        "[privacy]\nreveal = [\"qeury\", 5]\n[kafka]\ntls_ca = \"/does/not/exist\"\n[kafka.options]\n\
         \"linger.mss\" = 5\n\"linger.ms\" = \"soon\"\n",
    )
    .expect("a file");
    let output = tapline(&["config", "check", &path]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    let said_so = text(&output.stderr);
    for wanted in [
        "5 mistakes",
        "2:11 ",
        "2:20 ",
        "4:10 ",
        "6:16 ",
        "7:15 ",
        "linger.mss",
        "linger.ms",
    ] {
        assert!(said_so.contains(wanted), "no `{wanted}` in\n{said_so}");
    }
    fs::write(
        &file,
        "[kafka]\nsecurity_protocol = \"sasl_ssl\"\nsasl_mechanism = \"PLAIN\"\n",
    )
    .expect("a file");
    let output = tapline(&["config", "check", &path]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(
        text(&output.stderr).contains("sasl.username"),
        "{}",
        said(&output)
    );
    fs::write(&file, text(&tapline(&["config", "default"]).stdout)).expect("a file");
    let output = tapline(&["config", "check", &path]);
    assert_eq!(
        text(&output.stdout),
        format!("{path}: no mistakes\n"),
        "{}",
        said(&output)
    );
    let shown = text(&tapline(&["config", "show", &path]).stdout);
    assert!(
        shown.contains("snaplen = 262144") && !shown.contains("default:"),
        "{shown}"
    );
    let key = "0123456789abcdef".repeat(4);
    fs::write(
        &file,
        format!("[privacy]\nhash_key = \"{key}\"\nreveal = [\"query\"]\n[log]\nlevel = \"error\"\n"),
    )
    .expect("a file");
    let shown = text(&tapline(&["config", "show", &path]).stdout);
    assert!(
        shown.contains("hash_key = \"(hidden)\"") && !shown.contains(&key),
        "{shown}"
    );
    let exchanges = out.join("x.jsonl").display().to_string();
    let output = tapline(&["replay", &demo(), "--config", &path, "--exchanges", &exchanges]);
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{}",
        said(&output)
    );
    let by_option = out.join("y.jsonl").display().to_string();
    tapline(&["replay", &demo(), "--reveal", "query", "--exchanges", &by_option]);
    let target = |path: &str| {
        lines(Path::new(path))
            .iter()
            .map(|l| l["target"].to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(target(&exchanges), target(&by_option));
}

#[test]
fn every_shell_has_completions_and_every_record_a_schema() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = tapline(&["completions", shell]);
        assert!(
            output.status.success() && text(&output.stdout).contains("replay"),
            "{}",
            said(&output)
        );
    }
    let list = text(&tapline(&["schema"]).stdout);
    for name in [
        "exchange",
        "part",
        "flow",
        "finding",
        "inventory",
        "agents",
        "mcp",
        "a2a",
        "health",
        "change",
        "violation",
    ] {
        assert!(list.contains(name), "{list}");
        let schema: serde_json::Value =
            serde_json::from_slice(&tapline(&["schema", name]).stdout).expect("JSON");
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    }
}

#[test]
fn doctor_says_what_is_missing_and_how_to_mend_it() {
    let out = folder("usage-doctor");
    let store = out.join("store").display().to_string();
    let output = tapline(&[
        "doctor",
        "--store",
        &store,
        "-i",
        "nosuch0",
        "--kafka",
        "127.0.0.1:1",
        "--all",
    ]);
    let said_so = text(&output.stdout);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    for wanted in [
        "FAIL  capture",
        "FAIL  kafka",
        "ok    store",
        "note  hash key",
        "openssl rand -hex 32",
        "mend: check with: nc -vz 127.0.0.1 1",
    ] {
        assert!(said_so.contains(wanted), "no `{wanted}` in\n{said_so}");
    }
    assert!(!Path::new(&store).exists(), "looking leaves nothing behind");
}

#[test]
fn doctor_says_what_mends_a_damaged_store() {
    let store = folder("usage-damaged").join("store");
    let name = store.display().to_string();
    assert!(tapline(&["replay", &demo(), "--store", &name]).status.success());
    let database = store.join("tapline.db");
    let mut bytes = fs::read(&database).expect("the store");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 9000].fill(0x55);
    fs::write(&database, bytes).expect("the store");
    let output = tapline(&["doctor", "--store", &name]);
    let said_so = text(&output.stdout);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(
        said_so.contains("FAIL  store")
            && said_so.contains(&format!(
                "mend: start the sensor: it goes on from {name}/backup/1.db"
            )),
        "{said_so}"
    );
    assert!(!said_so.contains("install -d"), "{said_so}");
    fs::remove_dir_all(store.join("backup")).expect("the copies");
    let said_so = text(&tapline(&["doctor", "--store", &name]).stdout);
    assert!(
        said_so.contains(&format!(
            "mend: put a copy of your own in the place of {name}/tapline.db"
        )),
        "{said_so}"
    );
}
