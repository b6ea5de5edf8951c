//! What acknowledgments tell of the order of messages when some of them were lost.
//!
//! Number the requests of a flow as they were sent; a response has the number of the request it answers
//! (RFC 9112 section 9.2). After a loss the numbers are unknown, but not free: each side's numbers rise along its
//! stream, by one where nothing was lost between two messages, and TCP tells what either side had received when it
//! sent a message. Each such fact is a difference constraint, "this number is at least that one plus so many". Messages
//! between which nothing was lost form a *run* with one unknown, its first number. Where the constraints leave
//! exactly one distance between a run of requests and a run of responses, the pairs between the two are settled; where
//! they leave several, none is. Where they contradict each other, an assumption is wrong here and nothing is settled.
//!
//! Two kinds of facts are used. *Causality* holds for every client: a server answers only what it has begun to receive,
//! and what a client had of a response before it sent a request answers an earlier one. *Rounds* hold for a client that
//! sends one request, or several at once, and sends more only when it has all answers (nearly every client there is):
//! where the response stream stood when a round was sent, there the answer to its first request begins. The caller says
//! whether this client may be one.
//!
//! Knows numbers and places; what the messages are is left to [`super::pairing`].

use crate::tcp::stream::Told;

/// A request whose head was seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    /// Offset of its first byte.
    pub(super) start: u64,
    /// Offset behind its last byte; `u64::MAX` while it is unknown.
    pub(super) end: u64,
    /// How much of the response stream its sender had; zero when unknown.
    pub(super) had: u64,
    /// Requests may have been lost just before it.
    pub(super) after_loss: bool,
    /// The request just before it was sent with less of the response stream at hand.
    pub(super) begins_round: bool,
}

/// A response whose head was seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer {
    /// Offset of its first byte, interim responses included.
    pub(super) start: u64,
    /// Offset behind its last byte; `u64::MAX` while it is unknown.
    pub(super) end: u64,
    /// How much of the request stream its sender had; zero when unknown.
    pub(super) had: u64,
    /// What the client told last before it sent the last of that.
    pub(super) told: Told,
    /// Responses may have been lost just before it.
    pub(super) after_loss: bool,
}

/// What is known beside the messages.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Known {
    /// The client sends in rounds.
    pub(super) rounds: bool,
    /// Before the first of either side every request was answered: unless something was lost just before them, the
    /// first response answers the first request.
    pub(super) begins_level: bool,
    /// The last response answers the last request.
    pub(super) ends_level: bool,
}

/// Runs beyond this many are not worked on: the work grows with the third power of their number.
const MAX_RUNS: usize = 48;

/// Messages of one side beyond this many are not worked on.
const MAX_MESSAGES: usize = 256;

/// The pairs that are settled, as places in `asked` and `answers`.
pub(super) fn settled(asked: &[Asked], answers: &[Answer], known: Known) -> Vec<(usize, usize)> {
    if asked.is_empty() || answers.is_empty() || asked.len().max(answers.len()) > MAX_MESSAGES {
        return Vec::new();
    }
    let mut runs = Runs::default();
    let asked_at: Vec<Number> = asked.iter().map(|a| runs.place(a.after_loss)).collect();
    let first_answer_run = runs.starts_anew();
    let answer_at: Vec<Number> = answers.iter().map(|a| runs.place(a.after_loss)).collect();
    let begin = runs.place(true);
    if runs.count > MAX_RUNS {
        return Vec::new();
    }
    let mut least = Least::new(runs.count);
    for side in [&asked_at, &answer_at] {
        for two in side.windows(2) {
            least.at_least(two[1], two[0], 1);
        }
    }
    if known.begins_level {
        for (first, after_loss) in [
            (asked_at[0], asked[0].after_loss),
            (answer_at[0], answers[0].after_loss),
        ] {
            least.at_least(first, begin, 0);
            if !after_loss {
                least.at_least(begin, first, 0);
            }
        }
    }
    // Of the requests before this one, the last that belongs to an earlier round.
    let mut earlier_round: Option<usize> = None;
    for (i, a) in asked.iter().enumerate() {
        let number = asked_at[i];
        if i > 0 && asked[i - 1].had != 0 && asked[i - 1].had < a.had {
            earlier_round = Some(i - 1);
        }
        earlier_round = earlier_round.filter(|&e| asked[e].had < a.had);
        for (answer, &its) in answers.iter().zip(&answer_at) {
            let known_had = answer.had != 0;
            if (known_had && answer.had <= a.start) || answer.start < a.had {
                least.at_least(number, its, 1);
            } else if known_had && a.end != u64::MAX && answer.had <= a.end {
                least.at_least(number, its, 0);
            }
            if !known.rounds {
                continue;
            }
            if answer.told.at == a.end && answer.told.received > a.had && answer.had > a.end {
                // What was sent behind this request was sent with some of its answer at hand: in a later round.
                least.at_least(its, number, 1);
            }
            // Sent after this round began: every earlier round was answered before.
            let in_this_round_or_later = answer.start >= a.had || (known_had && answer.had > a.start);
            if a.begins_round {
                if in_this_round_or_later {
                    // Behind a loss, what begins later may be the same answer without its interim responses.
                    let later = answer.start > a.had && !answer.after_loss;
                    least.at_least(its, number, i64::from(later));
                } else if answer.end >= a.had && answer.end != u64::MAX {
                    // The last answer before this round.
                    least.at_least(its, number, -1);
                }
            } else if let Some(earlier) = earlier_round.map(|i| asked_at[i]) {
                if in_this_round_or_later {
                    least.at_least(its, earlier, 1);
                } else if answer.end >= a.had && answer.end != u64::MAX {
                    least.at_least(its, earlier, 0);
                }
            }
        }
    }
    if known.ends_level
        && let (Some(&request), Some(&response)) = (asked_at.last(), answer_at.last())
    {
        least.at_least(request, response, 0);
        least.at_least(response, request, 0);
    }
    if !least.close() {
        return Vec::new();
    }
    let mut pairs = Vec::new();
    let mut next = 0;
    for (i, &number) in asked_at.iter().enumerate() {
        let same = |&its: &Number| its.run >= first_answer_run && least.same(number, its);
        if let Some(found) = answer_at[next..].iter().position(same) {
            pairs.push((i, next + found));
            next += found + 1;
        }
    }
    pairs
}

/// A number: so many after the first of its run.
#[derive(Debug, Clone, Copy)]
struct Number {
    run: usize,
    after: i64,
}

/// Counts messages into runs.
#[derive(Debug, Default)]
struct Runs {
    count: usize,
    next: i64,
    open: bool,
}

impl Runs {
    fn place(&mut self, after_loss: bool) -> Number {
        if !self.open || after_loss {
            self.count += 1;
            self.next = 0;
            self.open = true;
        }
        let after = self.next;
        self.next += 1;
        Number {
            run: self.count - 1,
            after,
        }
    }

    /// The next message opens a run; returns which.
    fn starts_anew(&mut self) -> usize {
        self.open = false;
        self.count
    }
}

/// The least distance from each run's first number to each other's, as far as known.
struct Least {
    runs: usize,
    distance: Vec<i64>,
}

impl Least {
    const UNKNOWN: i64 = i64::MIN / 4;

    fn new(runs: usize) -> Self {
        let mut distance = vec![Self::UNKNOWN; runs * runs];
        for run in 0..runs {
            distance[run * runs + run] = 0;
        }
        Self { runs, distance }
    }

    /// `number` is at least `than` plus `by`.
    fn at_least(&mut self, number: Number, than: Number, by: i64) {
        let distance = than.after + by - number.after;
        let place = &mut self.distance[than.run * self.runs + number.run];
        *place = (*place).max(distance);
    }

    /// Follows every chain of constraints (Floyd and Warshall). False when they contradict each other.
    fn close(&mut self) -> bool {
        let n = self.runs;
        for through in 0..n {
            for from in 0..n {
                let first = self.distance[from * n + through];
                if first == Self::UNKNOWN {
                    continue;
                }
                for to in 0..n {
                    let second = self.distance[through * n + to];
                    if second != Self::UNKNOWN {
                        let place = &mut self.distance[from * n + to];
                        *place = (*place).max(first + second);
                    }
                }
            }
        }
        (0..n).all(|run| self.distance[run * n + run] == 0)
    }

    /// Whether the two can only be the same number.
    fn same(&self, a: Number, b: Number) -> bool {
        let to = self.distance[a.run * self.runs + b.run];
        let back = self.distance[b.run * self.runs + a.run];
        to != Self::UNKNOWN && back != Self::UNKNOWN && to == -back && b.after + to == a.after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(start: u64, end: u64, had: u64) -> Asked {
        Asked {
            start,
            end,
            had,
            after_loss: false,
            begins_round: false,
        }
    }

    fn answer(start: u64, end: u64, had: u64) -> Answer {
        Answer {
            start,
            end,
            had,
            told: Told::default(),
            after_loss: false,
        }
    }

    const ROUNDS: Known = Known {
        rounds: true,
        begins_level: false,
        ends_level: false,
    };

    #[test]
    fn a_request_behind_a_loss_is_bounded_by_the_rounds_around_it() {
        // Three rounds of one request; the answer to the first is lost, and what was before the second request.
        let requests = [
            Asked {
                begins_round: true,
                ..asked(100, 150, 1000)
            },
            Asked {
                after_loss: true,
                begins_round: true,
                ..asked(250, 300, 1500)
            },
            Asked {
                begins_round: true,
                ..asked(300, 350, 1700)
            },
        ];
        let answers = [
            Answer {
                after_loss: true,
                ..answer(1500, 1700, 300)
            },
            answer(1700, 1900, 350),
        ];
        assert_eq!(settled(&requests, &answers, ROUNDS), [(1, 0), (2, 1)]);
        // Of a client that does not wait for its answers nothing is known but what came after what.
        assert_eq!(settled(&requests, &answers, Known::default()), []);
    }

    #[test]
    fn of_several_at_once_the_last_the_server_had_bounds_the_answer() {
        // Two requests at once; the first answer is lost, the second was sent when the server had both.
        let requests = [asked(100, 150, 1000), asked(150, 200, 1000)];
        let lost_first = [Answer {
            after_loss: true,
            ..answer(1200, 1300, 200)
        }];
        let level = Known {
            begins_level: true,
            ..ROUNDS
        };
        assert_eq!(settled(&requests, &lost_first, level), [], "it may answer either");
        let ends = Known {
            ends_level: true,
            ..level
        };
        assert_eq!(settled(&requests, &lost_first, ends), [(1, 0)]);
        // Sent when the server had the first alone, it can answer no other.
        let early = [Answer {
            after_loss: true,
            ..answer(1200, 1300, 150)
        }];
        assert_eq!(settled(&requests, &early, level), [(0, 0)]);
    }

    #[test]
    fn contradictions_settle_nothing() {
        // The server answered the second request before it had any of it.
        let requests = [asked(100, 150, 1000), asked(150, 200, 1000)];
        let answers = [answer(1000, 1100, 150), answer(1100, 1200, 150)];
        let level = Known {
            begins_level: true,
            ends_level: true,
            ..ROUNDS
        };
        assert_eq!(settled(&requests, &answers, level), []);
        assert_eq!(settled(&requests, &answers[..1], ROUNDS), []);
    }

    #[test]
    fn the_work_is_bounded() {
        let many: Vec<Asked> = (0..400)
            .map(|n| Asked {
                after_loss: true,
                ..asked(n * 10, n * 10 + 10, n * 10)
            })
            .collect();
        let answers: Vec<Answer> = (0..200).map(|n| answer(n * 10, n * 10 + 10, n * 10)).collect();
        assert_eq!(settled(&many, &answers, ROUNDS), []);
        assert_eq!(settled(&many[..100], &answers, ROUNDS), []);
    }
}
