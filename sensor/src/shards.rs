//! Reassembly in threads of its own: between the one that reads packets and that of the inventory.
//!
//! ```text
//!                  work        pieces
//! packets ─ Dealer ─▶║ Shard ─▶║
//!                  ─▶║ Shard ─▶║ Merge ─ inventory …
//!                  ─────────────▶║
//!                     rounds
//! ```
//!
//! The reader deals work out round by round, and sends behind it what comes between two packets: ticks, settings. The thread of the inventory
//! takes round by round what the shards made of it, in the order of packets. All queues are bounded, and nobody waits for another but at a
//! queue; that the oldest round is always with a shard that can go on sees to it that none waits for ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use reassembly::shards::{Dealer, Merge, Piece, Shard, Told, Work};
use reassembly::{KeyLogRead, Limits, Packet, Timestamp};

use crate::cores::{Cores, Part};
use crate::downstream::{Gone, Item, PARCEL_BYTES, PARCEL_EVENTS, Tick};
use crate::mirror::Mirror;
use crate::status::{Board, Wire};

/// Rounds, and pieces of one shard, that may wait.
pub(crate) const ROUNDS: usize = 8;
const PIECES: usize = 4;

/// With so many workers, or more, reassembly has threads of its own.
const LEAST_WORKERS: u8 = 4;

/// Threads for shards among so many workers; none where there are few. While reassembly is the limit the two of the analysis wait for it, so
/// all but those of the reader and of one of the two are for shards.
pub(crate) fn wanted(workers: u8) -> usize {
    if workers < LEAST_WORKERS {
        return 0;
    }
    usize::from(workers - 2)
}

enum ToShard {
    Work(Work),
    KeyLog(Arc<[u8]>),
}

/// What comes behind a round.
struct Round(Vec<Item>);

/// The side of the reader.
pub(crate) struct Reader {
    dealer: Dealer,
    shards: Vec<SyncSender<ToShard>>,
    /// Work that was done.
    done: Receiver<Work>,
    rounds: SyncSender<Round>,
    board: Option<Arc<Board>>,
    full: Arc<AtomicBool>,
}

/// The side of the inventory.
pub(crate) struct Merged {
    rounds: Receiver<Round>,
    pieces: Vec<Receiver<Piece>>,
    merge: Merge,
    board: Option<Arc<Board>>,
    /// What shards told last, and who looks at it.
    ending: Ending,
}

/// What is known when the last round is over.
#[derive(Default)]
pub(crate) struct Ending {
    /// Everything that was counted behind the reader.
    pub(crate) told: Told,
    pub(crate) mirror: Mirror,
}

/// Starts so many shards. `pause` is called in each before it takes up something.
pub(crate) fn start(
    limits: Limits,
    shards: usize,
    cores: &Cores,
    board: Option<Arc<Board>>,
    full: Arc<AtomicBool>,
    pause: fn(),
) -> (Reader, Merged, Vec<JoinHandle<()>>) {
    let dealer = Dealer::new(limits, shards);
    let (give_back, done) = channel();
    let (rounds, to_merge) = sync_channel(ROUNDS);
    board.iter().for_each(|board| board.parcels_may_wait(ROUNDS));
    let (mut senders, mut pieces, mut threads) = (Vec::new(), Vec::new(), Vec::new());
    for (number, shard) in dealer.shards().into_iter().enumerate() {
        let (sender, tasks) = sync_channel(ROUNDS);
        let (to, from) = sync_channel(PIECES);
        let (give_back, cores) = (give_back.clone(), cores.clone());
        threads.push(std::thread::spawn(move || {
            cores.pin(Part::Shard(number));
            run(shard, &tasks, &to, &give_back, pause);
        }));
        senders.push(sender);
        pieces.push(from);
    }
    let reader = Reader {
        dealer,
        shards: senders,
        done,
        rounds,
        board: board.clone(),
        full,
    };
    let merged = Merged {
        rounds: to_merge,
        merge: Merge::new(pieces.len()),
        pieces,
        board,
        ending: Ending::default(),
    };
    (reader, merged, threads)
}

/// The thread of a shard.
fn run(
    mut shard: Shard,
    tasks: &Receiver<ToShard>,
    to: &SyncSender<Piece>,
    give_back: &Sender<Work>,
    pause: fn(),
) {
    for task in tasks {
        pause();
        match task {
            ToShard::Work(work) => {
                let mut gone = false;
                let done = shard.work(work, &mut |piece| gone |= to.send(piece).is_err());
                // There was a defect on the other side, which is told when it is joined.
                if gone {
                    return;
                }
                let _ = give_back.send(done);
            }
            ToShard::KeyLog(text) => shard.add_secrets(&text),
        }
    }
}

impl Reader {
    #[inline]
    pub(crate) fn push(&mut self, packet: &Packet<'_>) {
        self.make_room(packet.ts);
        self.dealer.push(packet);
    }

    pub(crate) fn advance(&mut self, now: Timestamp) {
        self.make_room(now);
        self.dealer.advance(now);
    }

    #[inline]
    fn make_room(&mut self, ts: Timestamp) {
        if !self.dealer.has_room_for(ts) {
            self.deal(Vec::new());
        }
    }

    pub(crate) fn add_secrets(&mut self, key_log: &[u8]) -> KeyLogRead {
        self.hand_over();
        let text: Arc<[u8]> = key_log.into();
        for shard in &self.shards {
            // Were it gone, the next round tells.
            let _ = shard.send(ToShard::KeyLog(Arc::clone(&text)));
        }
        self.dealer.add_secrets(key_log)
    }

    /// Hands an item on behind everything that came before.
    pub(crate) fn take(&mut self, mut item: Item) {
        if let Item::Tick(tick) = &mut item {
            tick.counters = self.dealer.counters();
            self.board.iter().for_each(|board| board.reader_goes_on());
        }
        self.deal(vec![item]);
    }

    /// Makes sure that nothing waits here while no packets come.
    pub(crate) fn hand_over(&mut self) {
        if !self.dealer.is_empty() {
            self.deal(Vec::new());
        }
    }

    fn deal(&mut self, behind: Vec<Item>) {
        while let Ok(work) = self.done.try_recv() {
            self.dealer.give_back(work);
        }
        let tell = behind.iter().any(|item| matches!(item, Item::Tick(_)));
        let all = self.dealer.deal(tell);
        self.send(all, behind);
    }

    fn send(&self, all: Vec<Work>, behind: Vec<Item>) {
        self.board.iter().for_each(|board| board.parcel_sent());
        let mut gone = false;
        for (shard, work) in self.shards.iter().zip(all) {
            gone |= shard.send(ToShard::Work(work)).is_err();
        }
        gone |= self.rounds.send(Round(behind)).is_err();
        if gone {
            // They end only after this one: there was a defect. A capture must not go on as if somebody still looked.
            self.full.store(true, Ordering::Relaxed);
        }
    }

    /// All flows end. What the reader counted; the rest is told at the other side.
    pub(crate) fn finish(mut self) -> reassembly::Counters {
        // The last round may be full, or time may have stood.
        self.hand_over();
        let all = self.dealer.finish();
        self.send(all, Vec::new());
        self.dealer.counters()
    }
}

impl Merged {
    /// Takes round by round, and hands on parcels of items, until there are no more.
    pub(crate) fn run(
        mut self,
        mut taken: impl FnMut(),
        mut parcel: impl FnMut(Vec<Item>) -> Result<(), Gone>,
    ) -> Result<Ending, Gone> {
        while let Ok(Round(behind)) = self.rounds.recv() {
            taken();
            let mut told = Told::default();
            let mut tells = false;
            let (mut items, mut bytes) = (Vec::new(), 0);
            self.merge.begin();
            loop {
                while let Some(shard) = self.merge.waits_for() {
                    let mut piece = self.pieces[shard].recv().map_err(|_| Gone)?;
                    if let Some(more) = piece.told.take() {
                        tells = true;
                        told.add(&more);
                    }
                    self.merge.put(shard, piece);
                }
                let Some(event) = self.merge.poll() else { break };
                bytes += event.held();
                items.push(Item::Event(event));
                if items.len() >= PARCEL_EVENTS || bytes >= PARCEL_BYTES {
                    bytes = 0;
                    parcel(std::mem::take(&mut items))?;
                }
            }
            if tells {
                self.ending.told = told;
            }
            for mut item in behind {
                if let Item::Tick(tick) = &mut item {
                    self.tick(tick);
                }
                items.push(item);
            }
            if !items.is_empty() {
                parcel(items)?;
            }
        }
        Ok(self.ending)
    }

    /// Adds to a tick what shards told behind the round before it.
    fn tick(&mut self, tick: &mut Tick) {
        let told = &self.ending.told;
        tick.counters.add(&told.counters);
        self.ending.mirror.look(&tick.counters);
        if let (Some(board), Some(drops)) = (&self.board, &tick.drops) {
            board.tell_wire(Wire {
                counters: tick.counters,
                drops: drops.clone(),
                open_flows: told.open_flows,
                flow_memory: told.weight,
                now: tick.now,
                last_packet: tick.last_packet,
            });
        }
    }
}
