//! The table of all attacks, and the goals.

use std::{fmt, time::Duration};

use crate::{attack::Cuts, honest::Latencies, kind::Kind, testbed::Proxy};

/// The results of one kind at one proxy.
pub(crate) struct Row {
    pub(crate) kind: &'static Kind,
    pub(crate) proxy: Proxy,
    pub(crate) rounds: Vec<Round>,
    /// The ends of the connections; `None` if the bench did not wait for them.
    pub(crate) cuts: Option<Cuts>,
}

/// One round.
pub(crate) struct Round {
    pub(crate) quiet: Sample,
    pub(crate) attacked: Sample,
    /// The highest resident memory, in bytes.
    pub(crate) memory: u64,
}

/// The latencies in one window, through the proxy and directly at the upstream server.
pub(crate) struct Sample {
    pub(crate) proxied: Latencies,
    pub(crate) direct: Latencies,
}

/// A cell of the table, and whether it misses its goal.
struct Cell {
    text: String,
    missed: bool,
}

/// The most memory, in MB, and the largest ratio of the p99 to its quiet value.
const MEMORY: f64 = 150.0;
const RATIO: f64 = 3.0;

/// If the direct p99 rises by more, the core of the clients was too busy to measure the proxy.
const DIRECT_RATIO: f64 = 2.0;

const HEAD: &str = "\
| attack | proxy | memory, MB | p50, ms | p99, ms | ratio | failed | gone after, s |
|---|---|---|---|---|---|---|---|";

/// Prints the rows as a table in Markdown, and returns the number of goals that guard misses.
pub(crate) fn print(rows: &[Row]) -> usize {
    println!("{HEAD}");
    let mut before = "";
    for row in rows {
        let attack = if before == row.kind.name {
            String::new()
        } else {
            row.kind.to_string()
        };
        before = row.kind.name;
        println!("| {attack} {row}");
    }
    println!(
        "\nGoals: at most {MEMORY} MB, and {RATIO} times the quiet p99; gone by the deadline. A bold cell misses."
    );
    for row in rows
        .iter()
        .filter(|row| row.median().direct_ratio() > DIRECT_RATIO)
    {
        let ratio = row.median().direct_ratio();
        println!(
            "`{}`, {}: the p99 without a proxy rose to {ratio:.1} times, so that a part is due to the machine",
            row.kind.name, row.proxy
        );
    }
    let guards = rows.iter().filter(|row| row.proxy == Proxy::Guard);
    guards
        .flat_map(Row::goals)
        .filter(|cell| cell.missed)
        .count()
}

// === impl Row ===

impl Row {
    /// The round with the median ratio.
    fn median(&self) -> &Round {
        let mut rounds: Vec<_> = self.rounds.iter().collect();
        rounds.sort_by(|one, other| one.ratio().total_cmp(&other.ratio()));
        rounds[(rounds.len() - 1) / 2]
    }

    /// The cells with goals: memory, ratio, cut.
    fn goals(&self) -> [Cell; 3] {
        [self.memory(), self.ratio(), self.cut()]
    }

    fn memory(&self) -> Cell {
        #[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52")]
        let megabytes = |round: &Round| round.memory as f64 / 1e6;
        let most = self.rounds.iter().map(megabytes).fold(0.0, f64::max);
        Cell {
            text: format!("{most:.0}"),
            missed: most > MEMORY,
        }
    }

    fn ratio(&self) -> Cell {
        let ratio = self.median().ratio();
        Cell {
            text: number(ratio),
            missed: ratio > RATIO,
        }
    }

    fn cut(&self) -> Cell {
        let Some(Cuts {
            open,
            opened,
            longest,
        }) = self.cuts
        else {
            return Cell {
                text: String::new(),
                missed: false,
            };
        };
        let deadline = self.kind.deadline.unwrap_or(Duration::MAX);
        Cell {
            text: match open {
                0 => number(longest.as_secs_f64()),
                _ => format!("{open} of {opened} open"),
            },
            missed: longest > deadline || (open > 0 && self.kind.deadline.is_some()),
        }
    }

    /// The failed requests during the attack, in percent of all rounds.
    fn failed(&self) -> String {
        let sum = |count: fn(&Latencies) -> usize| {
            let counts = self
                .rounds
                .iter()
                .map(|round| count(&round.attacked.proxied));
            counts.sum::<usize>()
        };
        match (sum(Latencies::failed), sum(Latencies::len)) {
            (0, _) => "0".to_owned(),
            (failed, all) => format!("{failed} of {all}"),
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [memory, ratio, cut] = self.goals();
        let round = self.median();
        let both = |share: f64| {
            let [quiet, attacked] = [&round.quiet, &round.attacked];
            let [quiet, attacked] = [quiet, attacked].map(|sample| sample.proxied.quantile(share));
            format!("{} → {}", number(quiet), number(attacked))
        };
        let (p50, p99, failed) = (both(0.5), both(0.99), self.failed());
        write!(
            f,
            "| {} | {memory} | {p50} | {p99} | {ratio} | {failed} | {cut} |",
            self.proxy
        )
    }
}

// === impl Round ===

impl Round {
    fn ratio(&self) -> f64 {
        self.attacked.proxied.quantile(0.99) / self.quiet.proxied.quantile(0.99)
    }

    fn direct_ratio(&self) -> f64 {
        self.attacked.direct.quantile(0.99) / self.quiet.direct.quantile(0.99)
    }
}

// === impl Cell ===

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.missed { "**" } else { "" };
        write!(f, "{mark}{}{mark}", self.text)
    }
}

fn number(value: f64) -> String {
    match value {
        f64::INFINITY => "∞".to_owned(),
        10.0.. => format!("{value:.0}"),
        1.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
