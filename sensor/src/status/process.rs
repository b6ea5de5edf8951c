//! What the kernel tells of this process, by the names that client libraries of Prometheus give it.

use std::fs;

/// Memory in bytes, threads, seconds of a processor; what cannot be read is left out.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Process {
    pub(super) resident: Option<u64>,
    pub(super) virtual_memory: Option<u64>,
    pub(super) threads: Option<u64>,
    pub(super) cpu_seconds: Option<f64>,
}

impl Process {
    pub(super) fn now() -> Self {
        let read = |name| fs::read_to_string(name).unwrap_or_default();
        let ticks = rustix::param::clock_ticks_per_second();
        Self::of(&read("/proc/self/status"), &read("/proc/self/stat"), ticks)
    }

    /// From the texts of proc_pid_status(5) and proc_pid_stat(5), which a service also sees that sees of /proc nothing but processes.
    fn of(status: &str, stat: &str, ticks: u64) -> Self {
        let line = |name: &str| {
            let rest = status.lines().find_map(|l| l.strip_prefix(name))?;
            rest.split_whitespace().next()?.parse::<u64>().ok()
        };
        // The name of the program is in parentheses and may hold anything; fields are counted behind it.
        let fields: Vec<&str> = stat
            .rsplit_once(')')
            .map_or_else(Vec::new, |(_, rest)| rest.split_whitespace().collect());
        let field = |n: usize| fields.get(n).and_then(|f| f.parse::<u64>().ok());
        let seconds = |n: u64| n as f64 / ticks.max(1) as f64;
        Self {
            resident: line("VmRSS:").map(|kib| kib * 1024),
            virtual_memory: line("VmSize:").map(|kib| kib * 1024),
            threads: line("Threads:"),
            // utime and stime, fields 14 and 15.
            cpu_seconds: field(11).zip(field(12)).map(|(u, s)| seconds(u + s)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_the_kernel_writes_it() {
        let of = Process::of(
            "Name:\tx\nVmSize:\t  4096 kB\nVmRSS:\t    12 kB\nThreads:\t3\n",
            "7 (a) b) S 1 1 1 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 3 0 1000 4194304 3 18",
            100,
        );
        assert_eq!(
            of,
            Process {
                resident: Some(12 << 10),
                virtual_memory: Some(4 << 20),
                threads: Some(3),
                cpu_seconds: Some(3.0),
            }
        );
        assert_eq!(Process::of("", "", 0), Process::default());
        let now = Process::now();
        assert!(now.resident.is_some_and(|bytes| bytes > 1 << 20), "{now:?}");
        assert!(now.cpu_seconds.is_some(), "{now:?}");
    }
}
