//! The choice of an upstream for a request.

use std::{
    hash::{BuildHasher as _, RandomState},
    net::IpAddr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use gabion_core::{ClientIp, stable_hash};
use ipnet::IpNet;
use tokio::time::Instant;

use super::{Balance, Group, UpstreamGroup};

/// Chooses upstreams, with the state of one worker.
#[derive(Debug)]
pub(crate) struct Balancer {
    balance: Balance,
    /// The state of the random numbers.
    random: AtomicU64,
    /// The credit of each upstream in turns.
    credits: Mutex<Vec<i64>>,
}

/// The upstreams that were tried for a request, each a bit.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tried(u64);

/// The weights of the candidates, zero for others.
type Weights = [u64; UpstreamGroup::MAX];

/// No upstream can take a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoCandidate {
    /// The ones that were not tried have as many requests as they may have.
    Busy,
    /// All were tried.
    AllTried,
}

// === impl Balancer ===

impl Balancer {
    pub(crate) fn new(group: &Group) -> Self {
        Self {
            balance: group.options().balance,
            random: AtomicU64::new(RandomState::new().hash_one(0)),
            credits: Mutex::new(vec![0; group.members().len()]),
        }
    }

    /// Chooses a member that was not tried.
    pub(crate) fn choose(
        &self,
        group: &Group,
        tried: Tried,
        client: &ClientIp,
    ) -> Result<usize, NoCandidate> {
        let weights = candidates(group, tried)?;
        let weights = &weights[..group.members().len()];
        Ok(match self.balance {
            Balance::LeastRequest => self.choose_by_load(group, weights),
            Balance::RoundRobin => self.choose_in_turn(weights),
            Balance::Sticky => choose_by_key(group, weights, sticky_key(client.network())),
        })
    }

    fn choose_by_load(&self, group: &Group, weights: &[u64]) -> usize {
        let one = self.draw(weights, None);
        let other = self.draw(weights, Some(one));
        let load = |idx: usize| group.members()[idx].in_progress() as u64;
        // The first one on a tie: it was drawn by weight.
        if load(other) * weights[one] < load(one) * weights[other] {
            other
        } else {
            one
        }
    }

    /// Draws a candidate by weight, other than `except` if there is one.
    fn draw(&self, weights: &[u64], except: Option<usize>) -> usize {
        let weight = |idx: usize| if except == Some(idx) { 0 } else { weights[idx] };
        let total: u64 = (0..weights.len()).map(weight).sum();
        if total == 0 {
            return except.unwrap_or_default();
        }
        let mut rest = self.random() % total;
        for idx in 0..weights.len() {
            match rest.checked_sub(weight(idx)) {
                Some(left) => rest = left,
                None => return idx,
            }
        }
        except.unwrap_or_default()
    }

    /// Smooth weighted round robin: the candidate with the most credit is next, and pays the sum of all weights.
    fn choose_in_turn(&self, weights: &[u64]) -> usize {
        let mut credits = self.credits.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = 0;
        let mut most = i64::MIN;
        for (idx, (credit, &weight)) in credits.iter_mut().zip(weights).enumerate() {
            if weight == 0 {
                continue;
            }
            *credit += weight.cast_signed();
            if *credit > most {
                (next, most) = (idx, *credit);
            }
        }
        credits[next] -= weights.iter().sum::<u64>().cast_signed();
        next
    }

    fn random(&self) -> u64 {
        mix(self.random.fetch_add(GOLDEN_RATIO, Relaxed))
    }
}

/// 2^64 divided by the golden ratio: the increment of `SplitMix64` (Steele, Lea and Flood, 2014).
const GOLDEN_RATIO: u64 = 0x9e37_79b9_7f4a_7c15;

/// The output function of `SplitMix64`.
const fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// Returns the weights of the members that were not tried and have room: of the available ones, or else of all.
fn candidates(group: &Group, tried: Tried) -> Result<Weights, NoCandidate> {
    let (mut available, mut others) = ([0; UpstreamGroup::MAX], [0; UpstreamGroup::MAX]);
    let (mut has_available, mut has_others, mut is_busy) = (false, false, false);
    let now = Instant::now();
    let options = group.options();
    for (idx, member) in group.members().iter().enumerate() {
        if tried.contains(idx) {
            continue;
        }
        if options
            .max_requests
            .is_some_and(|most| member.in_progress() >= most.get())
        {
            is_busy = true;
            continue;
        }
        if member.is_available(now) {
            has_available = true;
            available[idx] = member.current_weight(now, options.slow_start);
        } else {
            has_others = true;
            others[idx] = u64::from(member.upstream().weight().get()) * 100;
        }
    }
    match (has_available, has_others, is_busy) {
        (true, ..) => Ok(available),
        (_, true, _) => Ok(others),
        (_, _, true) => Err(NoCandidate::Busy),
        _ => Err(NoCandidate::AllTried),
    }
}

/// The key of a client's network. It is not keyed by a secret, so that all instances agree: a client that chooses
/// its hash only chooses its own upstream.
fn sticky_key(client: IpNet) -> u64 {
    match client.network() {
        IpAddr::V4(addr) => stable_hash(&addr.octets()),
        IpAddr::V6(addr) => stable_hash(&addr.octets()),
    }
}

/// Returns the candidate with the highest score for `key`. A slow start is ignored: clients would move twice.
#[expect(
    clippy::cast_precision_loss,
    reason = "2^53 values are enough for the order of at most 64 scores"
)]
fn choose_by_key(group: &Group, weights: &[u64], key: u64) -> usize {
    let score = |idx: usize| {
        let member = &group.members()[idx];
        let hash = mix(key ^ member.hash());
        // Between 0 and 1, both excluded.
        let fraction = ((hash >> 12) as f64 + 0.5) / (1_u64 << 52) as f64;
        -f64::from(member.upstream().weight().get()) / fraction.ln()
    };
    let candidates = (0..weights.len()).filter(|&idx| weights[idx] > 0);
    let best = candidates.max_by(|&one, &other| score(one).total_cmp(&score(other)));
    best.unwrap_or_default()
}

// === impl Tried ===

impl Tried {
    pub(crate) const fn insert(&mut self, idx: usize) {
        self.0 |= 1 << idx;
    }

    const fn contains(self, idx: usize) -> bool {
        self.0 & 1 << idx != 0
    }
}
