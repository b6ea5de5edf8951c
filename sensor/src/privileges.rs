//! What a capture gives away once the interface is open: its user, its capabilities, and what it never does.
//!
//! In this order, each in force for the whole process, since no thread has been started yet: another user (`capture.user`), no
//! capabilities, no new privileges through programs that are run (`no_new_privs`), nothing written but in the folders of store,
//! spool and outputs (Landlock), and no program run, no raw socket opened and no part of the kernel set up (seccomp). The packet
//! socket stays open through all of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _,
    RulesetStatus, Scope, path_beneath_rules,
};
use nix::libc;
use nix::unistd::{self, User};
use rustix::thread::{CapabilitySet, CapabilitySets};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    sock_filter,
};

/// What a run still needs afterwards.
#[derive(Debug, Clone, Default)]
pub(crate) struct Needs {
    /// Folders that it writes in; made when they are not there.
    pub(crate) folders: Vec<PathBuf>,
    /// Files that it writes; those that are not there yet are made in their folders.
    pub(crate) files: Vec<PathBuf>,
    /// Whether it connects to brokers.
    pub(crate) network: bool,
}

/// What was given away, in words, and what of it could not be.
#[derive(Debug, Default)]
pub(crate) struct Given {
    pub(crate) done: Vec<String>,
    pub(crate) missing: Vec<String>,
}

/// Makes use of the right to open an interface where the process has it and it is not in force, as with a file that was given
/// `cap_net_raw+p`. A file with `+ep` does not even start where the capability is taken away, as in a container that only replays.
pub(crate) fn take_up() {
    if let Ok(mut sets) = rustix::thread::capabilities(None)
        && sets.permitted.contains(CapabilitySet::NET_RAW)
        && !sets.effective.contains(CapabilitySet::NET_RAW)
    {
        sets.effective |= CapabilitySet::NET_RAW;
        // Without it the interface does not open, and that is told.
        let _ = rustix::thread::set_capabilities(None, sets);
    }
}

/// Gives all of it away. `user` is empty when the process stays whose it is; `confine` is about Landlock and seccomp.
///
/// # Errors
///
/// When the user cannot be become, or capabilities cannot be dropped. That the kernel does not know Landlock or seccomp is in the
/// result.
pub(crate) fn give_away(user: &str, confine: bool, needs: &Needs) -> anyhow::Result<Given> {
    let mut given = Given::default();
    if !user.is_empty() {
        become_user(user)?;
        given.done.push(format!("user {user}"));
    }
    for folder in &needs.folders {
        // What is wrong with it is told by whoever opens it.
        let _ = std::fs::create_dir_all(folder);
    }
    given.done.push(drop_capabilities()?.to_owned());
    rustix::thread::set_no_new_privs(true).context("cannot set no_new_privs")?;
    if confine {
        for (name, result) in [
            ("Landlock", restrict_files(needs)),
            ("seccomp", refuse_calls(needs)),
        ] {
            match result {
                Ok(()) => given.done.push(name.to_owned()),
                Err(why) => given.missing.push(format!("{name} ({why})")),
            }
        }
    }
    Ok(given)
}

/// Becomes this user, with the user's own group and no other, and for good.
fn become_user(name: &str) -> anyhow::Result<()> {
    let user = User::from_name(name)
        .with_context(|| format!("cannot look up the user {name} (capture.user)"))?
        .with_context(|| {
            format!("there is no user {name} (capture.user); make one with: sudo useradd --system {name}")
        })?;
    if unistd::getuid() == user.uid && unistd::geteuid() == user.uid {
        return Ok(());
    }
    if !unistd::geteuid().is_root() {
        bail!("only root can become {name}; run as {name}, or leave capture.user out");
    }
    // The bounding set first: it takes a capability that goes with the user.
    clear_bounding_set(CapabilitySet::empty());
    // Of the user's other groups none: what is read and written is the user's own.
    unistd::setgroups(&[user.gid])
        .and_then(|()| unistd::setresgid(user.gid, user.gid, user.gid))
        .and_then(|()| unistd::setresuid(user.uid, user.uid, user.uid))
        .with_context(|| format!("cannot become {name} (capture.user)"))?;
    if unistd::setuid(0.into()).is_ok() {
        bail!("the process is still root after becoming {name}; it ends rather than go on like that");
    }
    Ok(())
}

/// Takes every capability but `kept` from the bounding set, where that is allowed; without new privileges it decides nothing.
fn clear_bounding_set(kept: CapabilitySet) {
    for number in 0..64 {
        let one = CapabilitySet::from_bits_retain(1 << number);
        if !kept.contains(one) && rustix::thread::capability_is_in_bounding_set(one).unwrap_or(false) {
            let _ = rustix::thread::remove_capability_from_bounding_set(one);
        }
    }
}

fn drop_capabilities() -> anyhow::Result<&'static str> {
    // Root without a user of its own goes on writing where it was asked to, also in folders of others, and no more.
    let (kept, said) = if unistd::geteuid().is_root() {
        (
            CapabilitySet::DAC_OVERRIDE,
            "root with the right to write anywhere alone (capture.user names another)",
        )
    } else {
        (CapabilitySet::empty(), "no capabilities")
    };
    let held = rustix::thread::capabilities(None).context("cannot read the capabilities")?;
    let kept = held.permitted & kept;
    clear_bounding_set(kept);
    let _ = rustix::thread::clear_ambient_capability_set();
    let sets = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, sets).context("cannot drop the capabilities")?;
    Ok(said)
}

/// The version of Landlock that is asked for; an older kernel does what it knows of it.
const LANDLOCK: ABI = ABI::V6;

fn restrict_files(needs: &Needs) -> Result<(), String> {
    let words = |error: &dyn std::fmt::Display| error.to_string();
    let everything = AccessFs::from_all(LANDLOCK);
    let write = everything & !AccessFs::Execute;
    let mut net = BitFlags::from(AccessNet::BindTcp);
    if !needs.network {
        net |= AccessNet::ConnectTcp;
    }
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let files = needs.files.iter().map(|file| {
        if file.exists() {
            file.clone()
        } else {
            file.parent()
                .filter(|dir| !dir.as_os_str().is_empty())
                .unwrap_or(Path::new("."))
                .to_owned()
        }
    });
    let ruleset = Ruleset::default()
        .handle_access(everything)
        .and_then(|ruleset| ruleset.handle_access(net))
        .and_then(|ruleset| ruleset.scope(Scope::AbstractUnixSocket | Scope::Signal))
        .and_then(|ruleset| ruleset.create())
        .and_then(|ruleset| ruleset.add_rules(path_beneath_rules(["/"], read)))
        .map_err(|error| words(&error))?;
    let places = needs.folders.iter().cloned().chain(files);
    // A pipe or the like has no place among files, and may be written as it is.
    let ruleset = places
        .filter(|place| place.is_dir() || place.is_file() || place.starts_with("/dev"))
        .chain([PathBuf::from("/dev/null")])
        .try_fold(ruleset, |ruleset, place| {
            ruleset.add_rules(path_beneath_rules([place], write))
        })
        .map_err(|error| words(&error))?;
    let status = ruleset.restrict_self().map_err(|error| words(&error))?;
    match status.ruleset {
        RulesetStatus::NotEnforced => Err("this kernel does not have it".to_owned()),
        _ => Ok(()),
    }
}

/// System calls that a capture has no use for, and that somebody who took it over would have.
const REFUSED: &[i64] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // Around this filter.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // What is mounted, and namespaces.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_open_by_handle_at,
    // The kernel itself.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_personality,
];

/// Calls of the x32 ABI of x86-64 have this bit in their number and the same architecture, so a list of numbers alone does not hold
/// them (seccomp(2)). Nothing of this program makes one.
const X32: u32 = 0x4000_0000;

fn refuse_calls(needs: &Needs) -> Result<(), String> {
    seccompiler::apply_filter(&filter(needs)?).map_err(|error| error.to_string())
}

/// What seccomp asks before each call of the kernel.
fn filter(needs: &Needs) -> Result<BpfProgram, String> {
    let words = |error: &dyn std::fmt::Display| error.to_string();
    let same = |argument, operator, value| {
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
            .map_err(|error| words(&error))
    };
    let rule = |conditions| SeccompRule::new(conditions).map_err(|error| words(&error));
    let number = |value: i32| u64::try_from(value).unwrap_or(u64::MAX);
    let sockets = if needs.network {
        // TCP to brokers and what finds their names; no frames and nothing raw.
        let raw = |family| {
            rule(vec![
                same(0, SeccompCmpOp::Eq, number(family))?,
                same(1, SeccompCmpOp::MaskedEq(0xf), number(libc::SOCK_RAW))?,
            ])
        };
        vec![
            rule(vec![same(0, SeccompCmpOp::Eq, number(libc::AF_PACKET))?])?,
            raw(libc::AF_INET)?,
            raw(libc::AF_INET6)?,
        ]
    } else {
        Vec::new()
    };
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    rules.insert(libc::SYS_socket, sockets);
    let arch = std::env::consts::ARCH
        .try_into()
        .map_err(|_| "it is not known for this processor".to_owned())?;
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let listed: BpfProgram = SeccompFilter::new(rules, SeccompAction::Allow, refuse.clone(), arch)
        .and_then(TryInto::try_into)
        .map_err(|error| words(&error))?;
    if !cfg!(target_arch = "x86_64") {
        return Ok(listed);
    }
    let step = |code: u32, jt, jf, k| sock_filter {
        code: u16::try_from(code).unwrap_or_default(),
        jt,
        jf,
        k,
    };
    // The number of the call is the first word of `struct seccomp_data`.
    let mut program = vec![
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, 0, 1, X32),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, refuse.into()),
    ];
    program.extend(listed);
    Ok(program)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::process::Command;

    use super::*;

    const INSIDE: &str = "TAPLINE_TEST_CONFINED";

    /// Runs [`inside`] in a process of its own, since what is given away does not come back.
    fn confined(layer: &str, network: bool) {
        let dir = tempfile::tempdir().unwrap();
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "privileges::tests::inside", "--nocapture"])
            .env(INSIDE, dir.path())
            .env("TAPLINE_TEST_NETWORK", if network { "yes" } else { "no" })
            .env("TAPLINE_TEST_LAYER", layer)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "{layer}: {said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(said.contains("was confined"), "{layer}: {said}");
    }

    /// Does nothing unless it was asked to by [`confined`].
    #[test]
    fn inside() {
        let Some(dir) = std::env::var_os(INSIDE).map(PathBuf::from) else {
            return;
        };
        let network = std::env::var("TAPLINE_TEST_NETWORK").as_deref() == Ok("yes");
        let elsewhere = dir.join("elsewhere");
        let folder = dir.join("store");
        let (there, new) = (dir.join("there"), dir.join("out/new"));
        for dir in [&elsewhere, &folder, &dir.join("out")] {
            std::fs::create_dir(dir).unwrap();
        }
        std::fs::write(&there, "old").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let needs = Needs {
            folders: vec![folder.clone()],
            files: vec![there.clone(), new.clone()],
            network,
        };
        // Each is to hold by itself, so that what one of them overlooks the other does not hide.
        let layer = std::env::var("TAPLINE_TEST_LAYER").unwrap();
        give_away("", false, &needs).unwrap();
        let applied = match layer.as_str() {
            "seccomp" => refuse_calls(&needs),
            _ => restrict_files(&needs),
        };
        if let Err(why) = applied {
            println!("was confined in vain: {layer} ({why})");
            return;
        }
        assert!(Command::new("/bin/true").status().is_err(), "a program was run");
        let refused = TcpStream::connect(address).map_err(|e| e.raw_os_error());
        assert_eq!(refused.is_ok(), network, "{refused:?}");
        if layer == "Landlock" {
            assert!(
                std::fs::write(elsewhere.join("x"), "x").is_err(),
                "written elsewhere"
            );
            assert!(std::fs::remove_file(elsewhere.join("x")).is_err());
            assert!(TcpListener::bind("127.0.0.1:0").is_err(), "a port was opened");
        }
        // What it needs works.
        std::fs::write(folder.join("x"), "x").unwrap();
        std::fs::create_dir(folder.join("spool")).unwrap();
        std::fs::rename(folder.join("x"), folder.join("spool/y")).unwrap();
        std::fs::write(&there, "new").unwrap();
        std::fs::write(&new, "new").unwrap();
        assert_eq!(
            std::fs::read_to_string(elsewhere.join("../there")).unwrap(),
            "new"
        );
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        assert!(status.contains("NoNewPrivs:\t1"), "{status}");
        println!("was confined by {layer}");
    }

    /// What the filter says of a call, worked out as the kernel does it (classic BPF on `struct seccomp_data`).
    fn verdict(program: &[sock_filter], call: u32, arch: u32, arguments: [u64; 6]) -> u32 {
        let word = |at: u32| match at {
            0 => call,
            4 => arch,
            8 | 12 => 0,
            _ => {
                let at = at as usize - 16;
                let bytes = arguments[at / 8].to_le_bytes();
                u32::from_le_bytes(bytes[at % 8..at % 8 + 4].try_into().unwrap())
            }
        };
        let (mut at, mut value) = (0, 0_u32);
        loop {
            let step = &program[at];
            at += 1;
            let jump = |yes: bool| usize::from(if yes { step.jt } else { step.jf });
            match u32::from(step.code) {
                // Load, and, return, go on.
                0x20 => value = word(step.k),
                0x54 => value &= step.k,
                0x06 => return step.k,
                0x05 => at += step.k as usize,
                // Equal, greater, greater or equal.
                0x15 => at += jump(value == step.k),
                0x25 => at += jump(value > step.k),
                0x35 => at += jump(value >= step.k),
                other => panic!("a step of the filter that this does not know: {other:#x}"),
            }
        }
    }

    /// `AUDIT_ARCH_X86_64`, `AUDIT_ARCH_I386` and `AUDIT_ARCH_AARCH64` of linux/audit.h.
    const X86_64: u32 = 0xc000_003e;
    const I386: u32 = 0x4000_0003;
    const AARCH64: u32 = 0xc000_00b7;

    #[test]
    fn the_filter_refuses_each_call_whatever_its_arguments_and_its_abi() {
        let refused = libc::SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs();
        let own = if cfg!(target_arch = "x86_64") {
            X86_64
        } else {
            AARCH64
        };
        let many = [[0; 6], [u64::MAX; 6], [1, 2, 3, 4, 5, 6], [2, 3, 0, 0, 0, 0]];
        let number = |call: i64| u32::try_from(call).unwrap();
        for network in [false, true] {
            let needs = Needs {
                network,
                ..Needs::default()
            };
            let program = filter(&needs).unwrap();
            let says = |call, arguments| verdict(&program, call, own, arguments);
            for (call, arguments) in REFUSED.iter().flat_map(|call| many.map(|a| (number(*call), a))) {
                assert_eq!(says(call, arguments), refused, "call {call} of {arguments:?}");
                if own == X86_64 {
                    // socket, execve and execveat have numbers of their own there.
                    for x32 in [call | X32, X32 | 41, X32 | 520, X32 | 545] {
                        assert_eq!(says(x32, arguments), refused, "call {x32:#x}");
                    }
                }
                let foreign = verdict(&program, call, I386, arguments);
                assert_eq!(foreign, libc::SECCOMP_RET_KILL_PROCESS, "call {call}");
            }
            let (write, socket) = (number(libc::SYS_write), number(libc::SYS_socket));
            assert_eq!(says(write, [1, 0, 8, 0, 0, 0]), libc::SECCOMP_RET_ALLOW);
            for family in [
                libc::AF_UNIX,
                libc::AF_INET,
                libc::AF_INET6,
                libc::AF_NETLINK,
                libc::AF_PACKET,
            ] {
                for kind in [libc::SOCK_STREAM, libc::SOCK_DGRAM, libc::SOCK_RAW] {
                    for flags in [0, libc::SOCK_CLOEXEC, libc::SOCK_NONBLOCK] {
                        let argument = |value: i32| u64::from(value.unsigned_abs());
                        // The upper halves are not looked at by the kernel, so nothing may hang on them.
                        let upper = 0xdead_beef_0000_0000;
                        let said = says(
                            socket,
                            [
                                upper | argument(family),
                                upper | argument(kind | flags),
                                0,
                                0,
                                0,
                                0,
                            ],
                        );
                        let raw = matches!(family, libc::AF_INET | libc::AF_INET6) && kind == libc::SOCK_RAW;
                        let may = network && !raw && family != libc::AF_PACKET;
                        assert_eq!(said == libc::SECCOMP_RET_ALLOW, may, "{family} {kind} {flags}");
                        assert!(may || said == refused);
                    }
                }
            }
        }
    }

    const TRIES: &str = "TAPLINE_TEST_TRIES";

    /// Does nothing unless it was asked to by [`tried`]: says of each call whether the kernel let it through.
    #[test]
    fn tries() {
        use nix::sched::{CloneFlags, unshare};
        use nix::sys::{personality, ptrace};
        use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
        use std::ffi::CString;
        use std::os::unix::process::CommandExt as _;

        let Ok(how) = std::env::var(TRIES) else { return };
        if how != "free" {
            let needs = Needs {
                network: how == "network",
                ..Needs::default()
            };
            // Capabilities stay, so that whatever is refused here is refused by the filter.
            refuse_calls(&needs).unwrap();
        }
        let say = |what: &str, errno: Option<i32>| {
            println!(
                "{what}: {}",
                if errno == Some(libc::EPERM) {
                    "refused"
                } else {
                    "let through"
                }
            );
        };
        let open = |family, kind| {
            let opened = socket_with(family, kind, SocketFlags::CLOEXEC, None);
            opened.err().map(rustix::io::Errno::raw_os_error)
        };
        let errno = |result: nix::Result<()>| result.err().map(|errno| errno as i32);
        say("tcp", open(AddressFamily::INET, SocketType::STREAM));
        say("udp", open(AddressFamily::INET, SocketType::DGRAM));
        say("tcp6", open(AddressFamily::INET6, SocketType::STREAM));
        say("unix", open(AddressFamily::UNIX, SocketType::STREAM));
        say("netlink", open(AddressFamily::NETLINK, SocketType::RAW));
        say("raw", open(AddressFamily::INET, SocketType::RAW));
        say("raw6", open(AddressFamily::INET6, SocketType::RAW));
        say("packet", open(AddressFamily::PACKET, SocketType::RAW));
        say("personality", errno(personality::get().map(drop)));
        say("chroot", errno(unistd::chroot("/")));
        say("unshare", errno(unshare(CloneFlags::CLONE_FS)));
        // A process and a program that are not there, so that what is let through does nothing.
        say("ptrace", errno(ptrace::attach(unistd::Pid::from_raw(i32::MAX))));
        let none = CString::new("/nonexistent/program").unwrap();
        let at = std::fs::File::open("/").unwrap();
        let by =
            nix::unistd::execveat::<_, CString, CString>(&at, &none, &[], &[], nix::fcntl::AtFlags::empty());
        say("execveat", by.err().map(|errno| errno as i32));
        say(
            "execve",
            Command::new("/nonexistent/program").exec().raw_os_error(),
        );
        println!("tried");
    }

    fn tried(how: &str) -> BTreeMap<String, bool> {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "privileges::tests::tries", "--nocapture"])
            .env(TRIES, how)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.contains("tried"), "{how}: {said}");
        let each = said.lines().filter_map(|line| line.split_once(": "));
        each.filter(|(_, fate)| matches!(*fate, "refused" | "let through"))
            .map(|(what, fate)| (what.to_owned(), fate == "refused"))
            .collect()
    }

    #[test]
    fn the_kernel_itself_refuses_a_confined_process_programs_sockets_and_tracing() {
        let (free, alone, network) = (tried("free"), tried("alone"), tried("network"));
        assert_eq!(free.len(), 14, "{free:?}");
        assert!(alone.values().all(|refused| *refused), "{alone:?}");
        // Not everybody may open all of these; what nobody confined is refused here, the filter did not refuse.
        if unistd::geteuid().is_root() {
            assert!(free.values().all(|refused| !refused), "{free:?}");
        }
        for (what, refused) in network {
            let may = ["tcp", "udp", "tcp6", "unix", "netlink"].contains(&what.as_str());
            assert_eq!(refused, !may, "{what} with brokers to reach");
        }
    }

    #[test]
    fn landlock_alone_lets_run_nothing_connect_to_nobody_and_write_nowhere_else() {
        confined("Landlock", false);
    }

    #[test]
    fn seccomp_alone_lets_run_nothing_and_open_no_socket() {
        confined("seccomp", false);
    }

    #[test]
    fn brokers_can_be_reached_where_there_are_some() {
        confined("Landlock", true);
        confined("seccomp", true);
    }

    #[test]
    fn a_user_that_is_not_there_is_told_with_what_makes_one() {
        let error = become_user("no-such-user-of-tapline").unwrap_err().to_string();
        assert!(
            error.contains("sudo useradd --system no-such-user-of-tapline"),
            "{error}"
        );
    }
}
