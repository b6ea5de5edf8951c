//! Which core a thread runs on: `capture.cores`. Threads that nobody names (Kafka, HTTP, reading the configuration anew) run anywhere.

use std::ffi::CString;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity, set_name};

/// Cores for reassembly (or the reader, where it has shards), inventory, behaviour and shards of reassembly, in this order; with fewer the last
/// one stands for the rest. None leaves it to the
/// scheduler.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cores(Vec<u16>);

/// What a thread does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part {
    Reassembly,
    Inventory,
    Behaviour,
    /// One of several that do reassembly.
    Shard(usize),
}

impl Cores {
    /// Cores that this process may use.
    ///
    /// # Errors
    ///
    /// A sentence about the one that it may not.
    pub(crate) fn new(cores: &[u16]) -> Result<Self, String> {
        if cores.is_empty() {
            return Ok(Self::default());
        }
        let allowed =
            sched_getaffinity(None).map_err(|error| format!("cannot tell which cores there are: {error}"))?;
        let may = |core: u16| usize::from(core) < CpuSet::MAX_CPU && allowed.is_set(usize::from(core));
        if let Some(core) = cores.iter().find(|core| !may(**core)) {
            let all: Vec<String> = (0..CpuSet::MAX_CPU)
                .filter(|core| allowed.is_set(*core))
                .map(|core| core.to_string())
                .collect();
            return Err(format!(
                "capture.cores: core {core} is none that this process may use; those are {}",
                all.join(", ")
            ));
        }
        Ok(Self(cores.to_vec()))
    }

    /// Gives this thread its name, as `top -H` shows it, and has it run on its core from now on. A core that was taken away since the start is told, and the thread runs anywhere.
    pub(crate) fn pin(&self, part: Part) {
        let (place, name) = match part {
            // That of the first thread is the name of the process.
            Part::Reassembly => (0, None),
            Part::Inventory => (1, Some("inventory".to_owned())),
            Part::Behaviour => (2, Some("behaviour".to_owned())),
            Part::Shard(number) => (3 + number, Some(format!("shard {number}"))),
        };
        // A thread without a name works as well.
        let _ = name
            .and_then(|name| CString::new(name).ok())
            .map(|name| set_name(&name));
        let Some(core) = self.0.get(place).or(self.0.last()) else {
            return;
        };
        let mut set = CpuSet::new();
        set.set(usize::from(*core));
        if let Err(error) = sched_setaffinity(None, &set) {
            crate::message::warn(&format!("core {core} cannot be used: {error}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_runs_on_its_core_and_cores_that_are_not_there_are_named() {
        let allowed = sched_getaffinity(None).unwrap();
        let all: Vec<u16> = (0..1024)
            .filter(|core| allowed.is_set(usize::from(*core)))
            .collect();
        let (first, last) = (all[0], *all.last().unwrap());
        let cores = Cores::new(&[first, last]).unwrap();
        let runs_on = |part| {
            let cores = cores.clone();
            let thread = std::thread::spawn(move || {
                cores.pin(part);
                let set = sched_getaffinity(None).unwrap();
                (
                    set.count(),
                    set.is_set(usize::from(first)),
                    set.is_set(usize::from(last)),
                )
            });
            thread.join().unwrap()
        };
        assert_eq!(runs_on(Part::Reassembly), (1, true, first == last));
        assert_eq!(runs_on(Part::Inventory), (1, first == last, true));
        assert_eq!(runs_on(Part::Behaviour), (1, first == last, true));
        assert_eq!(runs_on(Part::Shard(7)), (1, first == last, true));
        // Nothing said: anywhere.
        Cores::default().pin(Part::Reassembly);
        assert_eq!(sched_getaffinity(None).unwrap().count(), allowed.count());
        let missing = (0..1024)
            .rev()
            .find(|core| !allowed.is_set(usize::from(*core)))
            .unwrap();
        let error = Cores::new(&[first, missing]).unwrap_err();
        assert!(
            error.contains(&format!("core {missing} ")) && error.contains(&first.to_string()),
            "{error}"
        );
    }
}
