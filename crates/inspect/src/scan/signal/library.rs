//! An agent that is the name of a library or tool. Webhooks, probes and scripts say so too, so that
//! it counts only along with something else; then it says that no browser sent it.

use std::sync::LazyLock;

use super::{Parts, Sign, Signal, Weight, agent_holds, parts};

pub(super) const SIGNAL: Signal = Signal {
    name: "library",
    weight: 10,
    counts: Weight::Along,
    sign: Sign::Head {
        own: true,
        seen: |facts| agent_holds(facts, &NAMES),
    },
};

static NAMES: Parts = LazyLock::new(|| {
    parts(&[
        "aiohttp/",
        "axios/",
        "curl/",
        "go-http-client/",
        "httpx/",
        "java/",
        "libwww-perl/",
        "okhttp/",
        "python-requests/",
        "python-urllib/",
        "scrapy/",
        "wget/",
    ])
});
