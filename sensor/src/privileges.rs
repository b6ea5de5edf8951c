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

fn refuse_calls(needs: &Needs) -> Result<(), String> {
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
    let program: BpfProgram = SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch)
        .and_then(TryInto::try_into)
        .map_err(|error| words(&error))?;
    seccompiler::apply_filter(&program).map_err(|error| words(&error))
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
