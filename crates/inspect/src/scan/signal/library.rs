//! A user agent that names an HTTP library or tool. Webhooks, health checks and scripts do so, too,
//! so the signal counts only together with another; then it shows that no browser sent the request.

use super::{Detector, Signal, Trigger};

pub(super) const SIGNAL: Signal = Signal {
    name: "library",
    weight: 10,
    trigger: Trigger::Combined,
    detector: Detector::Head {
        certain: true,
        matches: |features| features.agents.library,
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
