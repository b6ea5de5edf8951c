//! Whether a capture goes on and its sinks take what it gives them, in words.

use std::sync::atomic::Ordering;

use super::{Board, Stage};
use crate::source::Missing;

/// Silence of the side that reads packets, in milliseconds, after which it is stuck. It speaks every second, also without packets.
const WIRE_SILENT: u64 = 15_000;
/// The same of the analysis, which also writes snapshots.
const WORK_SILENT: u64 = 60_000;
/// For how long it is told that records were given up.
const SHED: u64 = 60_000;

impl Board {
    /// What stands in the way of being ready; nothing when it is.
    pub(super) fn not_ready(&self) -> Vec<String> {
        match self.stage() {
            Stage::Opening => vec!["capture: the interface is not open yet".to_owned()],
            Stage::Reading => vec!["store: what was learned before is being read".to_owned()],
            // A process that begins anew would be no better off, so this is about being ready and not about being well.
            Stage::Capturing => self.missing.load().iter().map(is_missing).collect(),
            Stage::Ending => vec!["capture: it has ended; what is left is being written".to_owned()],
        }
    }

    /// What is wrong; nothing when all is well. A run that begins or ends in order is well.
    pub(super) fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let now = self.millis();
        let silent = |at: &std::sync::atomic::AtomicU64| now.saturating_sub(at.load(Ordering::Relaxed));
        if self.stage() == Stage::Capturing {
            let (wire, work) = (silent(&self.wire_at), silent(&self.work_at));
            if wire > WIRE_SILENT {
                wrong.push(format!("capture: no packet was taken and none waited for in {} s; see whether the machine or the analysis is overloaded", wire / 1000));
            }
            if work > WORK_SILENT {
                wrong.push(format!(
                    "analysis: it has not come to its next second for {} s",
                    work / 1000
                ));
            }
        }
        let work = self.work.load();
        if let Some(store) = work.store.filter(|store| store.given_up) {
            wrong.push(format!(
                "store: {} snapshots could not be written; what is learned is lost at the end; free some space or mend the folder, and start anew",
                store.failed
            ));
        }
        if let Some(kafka) = &work.kafka {
            if kafka.spool_failed {
                wrong.push("kafka: the spool cannot be written; free some space or mend its folder (kafka.spool_dir)".to_owned());
            }
            let since = silent(&self.shed_at);
            if self.has_shed.load(Ordering::Relaxed) && since < SHED {
                wrong.push(format!(
                    "kafka: records are given up, {} so far, the last of them {} s ago; {}",
                    kafka.shed.iter().sum::<u64>(),
                    since / 1000,
                    if kafka.up {
                        "the brokers take less than there is (kafka.queue_records, kafka.spool_bytes)"
                    } else {
                        "no broker answers and what is kept for it is full (kafka.brokers, kafka.spool_bytes)"
                    }
                ));
            }
        }
        for name in &work.outputs_failed {
            wrong.push(format!("output: {name} cannot be written and is incomplete"));
        }
        wrong
    }
}

fn is_missing(interface: &Missing) -> String {
    let name = &interface.name;
    match interface.gone {
        true => format!(
            "capture: {name} is gone, and the others go on; when it is there again, start anew to capture it"
        ),
        false => {
            format!(
                "capture: {name} is down, and nothing is captured on it until it is up: sudo ip link set {name} up"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::super::{KafkaWork, StoreWork, Work};
    use super::*;

    fn long_ago(board: &Board, what: &AtomicU64, millis: u64) {
        what.store(board.millis().saturating_sub(millis), Ordering::Relaxed);
    }

    /// A board of a run that has gone on for a while.
    fn capturing() -> Board {
        let mut board = Board::new(1);
        board.started -= std::time::Duration::from_secs(3600);
        board.reach(Stage::Capturing);
        board
    }

    #[test]
    fn a_run_is_ready_while_it_captures_alone() {
        let board = Board::new(1);
        let said: Vec<String> = [Stage::Opening, Stage::Reading, Stage::Capturing, Stage::Ending]
            .into_iter()
            .map(|stage| {
                board.reach(stage);
                assert_eq!(board.stage(), stage);
                assert!(board.wrong().is_empty());
                board.not_ready().join(" ")
            })
            .collect();
        assert!(said[0].contains("not open"), "{said:?}");
        assert!(said[1].contains("store"), "{said:?}");
        assert!(said[2].is_empty(), "{said:?}");
        assert!(said[3].contains("ended"), "{said:?}");
    }

    #[test]
    fn what_was_read_anew_is_counted() {
        let board = capturing();
        [true, false, false]
            .into_iter()
            .for_each(|taken| board.count_reload(taken));
        let text = board.metrics();
        assert!(
            text.contains("tapline_config_reloads_total{result=\"taken\"} 1\n"),
            "{text}"
        );
        assert!(
            text.contains("tapline_config_reloads_total{result=\"refused\"} 2\n"),
            "{text}"
        );
    }

    #[test]
    fn a_store_that_waits_for_room_is_counted_and_no_reason_to_begin_anew() {
        let board = capturing();
        board.tell_work(Work {
            store: Some(StoreWork {
                failed: 3,
                waits: true,
                ..StoreWork::default()
            }),
            ..Work::default()
        });
        assert!(board.wrong().is_empty(), "{:?}", board.wrong());
        let text = board.metrics();
        assert!(text.contains("tapline_store_waiting 1\n"), "{text}");
        assert!(
            text.contains("tapline_store_snapshot_failures_total 3\n"),
            "{text}"
        );
    }

    #[test]
    fn an_interface_that_is_down_is_a_matter_of_being_ready() {
        let board = capturing();
        let missing = |name: &str, gone| Missing {
            name: name.to_owned(),
            gone,
        };
        board.tell_missing(vec![missing("eth1", false), missing("eth2", true)]);
        let told = board.not_ready();
        assert!(told[0].contains("sudo ip link set eth1 up"), "{told:?}");
        assert!(told[1].contains("eth2 is gone"), "{told:?}");
        assert!(board.wrong().is_empty());
        board.tell_missing(Vec::new());
        assert!(board.not_ready().is_empty());
    }

    #[test]
    fn a_side_that_is_silent_is_told() {
        let board = capturing();
        assert!(board.wrong().is_empty());
        long_ago(&board, &board.wire_at, 14_000);
        long_ago(&board, &board.work_at, 59_000);
        assert!(board.wrong().is_empty(), "{:?}", board.wrong());
        long_ago(&board, &board.wire_at, 16_000);
        assert!(board.wrong()[0].contains("in 16 s"), "{:?}", board.wrong());
        long_ago(&board, &board.wire_at, 0);
        long_ago(&board, &board.work_at, 61_000);
        assert!(board.wrong()[0].starts_with("analysis: "), "{:?}", board.wrong());
    }

    #[test]
    fn each_sink_that_takes_nothing_is_told_by_its_name() {
        let board = capturing();
        let kafka = |shed, spool_failed| {
            Some(KafkaWork {
                shed: [0, shed, 0, 0],
                spool_failed,
                ..KafkaWork::default()
            })
        };
        let tell = |kafka, failed, outputs: &[&str]| {
            board.tell_work(Work {
                kafka,
                store: Some(StoreWork {
                    failed,
                    given_up: failed > 0,
                    ..StoreWork::default()
                }),
                outputs_failed: outputs.iter().map(|o| (*o).to_owned()).collect(),
                ..Work::default()
            });
            board.wrong()
        };
        // A broker that is away takes nothing, the spool does.
        assert!(tell(kafka(0, false), 0, &[]).is_empty());
        assert!(tell(kafka(0, true), 0, &[])[0].contains("spool cannot be written"));
        assert!(tell(kafka(0, false), 1, &[])[0].starts_with("store: 1 "));
        assert!(tell(kafka(0, false), 0, &["x.jsonl"])[0].contains("x.jsonl"));
        assert!(tell(kafka(7, false), 0, &[])[0].contains("7 so far"));
        // It is told for a minute, unless more are given up.
        long_ago(&board, &board.shed_at, 61_000);
        assert!(tell(kafka(7, false), 0, &[]).is_empty());
        assert!(tell(kafka(8, false), 0, &[])[0].contains("8 so far"));
    }
}
