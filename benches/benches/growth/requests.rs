//! The time of a whole judgment by the reference policy, by the size of the request.

use std::{cell::Cell, iter, sync::Arc, time::Duration};

use gabion::{Guard, RequestState, Verdict};
use gabion_benches::{PolicyFiles, reference, requests};
use gabion_core::{PolicySource as _, Snapshot};
use gabion_testkit::OwnedHead;

use crate::{Points, grow, is_test};

/// Judgments per round.
const JUDGMENTS: usize = 1 << 10;

/// Lengths of a path, in bytes.
const LENGTHS: [usize; 7] = [10, 30, 100, 300, 1_000, 3_000, 8_000];

/// Numbers of headers. The policy permits 100.
const HEADERS: [usize; 6] = [5, 10, 20, 40, 70, 100];

/// The reference policy, and the time that passes between rounds, so that no limit is reached.
struct Judge {
    policy: Arc<Snapshot>,
    seconds: Cell<u64>,
}

/// Paths of each length: plain and encoded ones, which pass, and obfuscated ones.
pub(crate) fn by_path_length() -> [(&'static str, Points); 3] {
    let judge = Judge::new();
    let curve = |part: &str, passes| {
        judge.curve(&LENGTHS, passes, |length| {
            let part = part.chars().cycle();
            let path: String = iter::once('/').chain(part).take(length).collect();
            let page = requests::page(&path).body(()).unwrap();
            OwnedHead::from_request(page).from(reference::CLIENT)
        })
    };
    [
        ("plain", curve("articles/", true)),
        ("encoded", curve("caf%C3%A9/", true)),
        ("obfuscated", curve("%252e%252e/..;x/%5c/", false)),
    ]
}

/// Requests for one page, with the headers of a browser first.
pub(crate) fn by_headers() -> Points {
    Judge::new().curve(&HEADERS, true, |count| {
        let browser = requests::BROWSER.iter().take(count);
        let head = browser.fold(OwnedHead::get("/"), |head, (name, value)| match *name {
            "host" => head.host(value),
            _ => head.header(name, value),
        });
        (requests::BROWSER.len()..count).fold(head, |head, nth| {
            head.header(&format!("x-app-{nth}"), "0123456789abcdef")
        })
    })
}

// === impl Judge ===

impl Judge {
    fn new() -> Self {
        let files = PolicyFiles::new().unwrap();
        let guard = Guard::builder().with_policy_file(files.policy()).unwrap();
        Self {
            policy: guard.policy_handle().current(),
            seconds: Cell::new(0),
        }
    }

    /// Resolves and judges one request per size. If `passes` is `true`, the policy must not deny it.
    fn curve(&self, sizes: &[usize], passes: bool, head: impl Fn(usize) -> OwnedHead) -> Points {
        grow(sizes, |size| {
            let head = head(size);
            Box::new(move || {
                self.seconds.set(self.seconds.get() + 1);
                let head = head.clone().at(Duration::from_secs(self.seconds.get()));
                let judgments = 0..if is_test() { 4 } else { JUDGMENTS };
                let judgments = judgments.map(|_| {
                    let facts = head.facts(&self.policy.client);
                    let mut state = RequestState::new(&facts);
                    self.policy.chain.inspect(&facts, &mut state)
                });
                judgments
                    .inspect(|verdict| assert!(*verdict == Verdict::Pass || !passes, "{verdict}"))
                    .count()
            })
        })
    }
}
