//! An agent that is the name of a library or tool. Webhooks, probes and scripts say so too, so that
//! it counts only along with something else; then it says that no browser sent it.

use super::{Sign, Signal, Weight};

pub(super) const SIGNAL: Signal = Signal {
    name: "library",
    weight: 10,
    counts: Weight::Along,
    sign: Sign::Head {
        own: true,
        seen: |look| look.agents.library,
    },
};

pub(super) const NAMES: [&str; 12] = [
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
];
