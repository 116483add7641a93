//! Guide: one page per subject, and a reference of the policy document with one page per section.
//!
//! | page | subject |
//! |---|---|
//! | [`single_layers`] | one layer without a policy document |
//! | [`policy`] | the policy document: every section, key and default |
//! | [`deploy`] | `guard` in production: kits, the order of a drain, timeouts that belong together |
//! | [`guard_toml`] | the configuration file of `guard`: groups of servers, routes, options |
//! | [`logs`] | events as JSON and the access log of `guard`: files, rotation, redaction, and every field |
//! | [`operate`] | a running `guard`: bans, exemptions and status by command, the admin API and its security |
//! | [`metrics`] | metrics for Prometheus: what each counts, alerts, a dashboard |
//! | [`load_balancer`] | trusted proxies, health checks, a first test with curl |
//! | [`certificate`] | a domain and a certificate, on AWS and without; ACME, HTTPS, the PROXY protocol |
//! | [`custom_rule`] | a rule written in Rust |
//! | [`paths`] | differences between servers in how they read a path, measured with nginx and Tomcat |
//! | [`upstreams`] | the servers behind `guard`: choice, failures, retries, timeouts beside nginx's, TLS, gRPC |
//! | [`state`] | bans that survive restarts and are shared by Redis; what happens in each failure |
//! | [`websockets`] | WebSockets behind proxies: timeouts, pings, reconnects, diagnosis codes |
//! | [`life_of_a_request`] | the path of a request through the code, file by file |
//! | [`stability`] | public API, supported Rust versions, versions of the policy format |
//! | [`glossary`] | terms |

#![expect(
    clippy::doc_markdown,
    reason = "pages have names of products and settings in running text"
)]

#[doc = include_str!("../guide/certificate.md")]
pub mod certificate {}
#[doc = include_str!("../guide/custom_rule.md")]
pub mod custom_rule {}
#[doc = include_str!("../guide/deploy.md")]
pub mod deploy {}
#[doc = include_str!("../guide/glossary.md")]
pub mod glossary {}
#[doc = include_str!("../guide/guard_toml.md")]
pub mod guard_toml {}
#[doc = include_str!("../guide/life_of_a_request.md")]
pub mod life_of_a_request {}
#[doc = include_str!("../guide/load_balancer.md")]
pub mod load_balancer {}
#[doc = include_str!("../guide/logs.md")]
pub mod logs {}
#[doc = include_str!("../guide/metrics.md")]
pub mod metrics {}
#[doc = include_str!("../guide/operate.md")]
pub mod operate {}
#[doc = include_str!("../guide/paths.md")]
pub mod paths {}
#[doc = include_str!("../guide/policy.md")]
pub mod policy {
    #[doc = include_str!("../guide/policy/allow.md")]
    pub mod allow {}
    #[doc = include_str!("../guide/policy/ban.md")]
    pub mod ban {}
    #[doc = include_str!("../guide/policy/client.md")]
    pub mod client {}
    #[doc = include_str!("../guide/policy/deny.md")]
    pub mod deny {}
    #[doc = include_str!("../guide/policy/document.md")]
    pub mod document {}
    #[doc = include_str!("../guide/policy/expect.md")]
    pub mod expect {}
    #[doc = include_str!("../guide/policy/limit.md")]
    pub mod limit {}
    #[doc = include_str!("../guide/policy/message.md")]
    pub mod message {}
    #[doc = include_str!("../guide/policy/protocol.md")]
    pub mod protocol {}
    #[doc = include_str!("../guide/policy/scan.md")]
    pub mod scan {}
    #[doc = include_str!("../guide/policy/server.md")]
    pub mod server {}
    #[doc = include_str!("../guide/policy/upgrade.md")]
    pub mod upgrade {}
}
#[doc = include_str!("../guide/single_layers.md")]
pub mod single_layers {}
#[doc = include_str!("../guide/stability.md")]
pub mod stability {}
#[doc = include_str!("../guide/state.md")]
pub mod state {}
#[doc = include_str!("../guide/upstreams.md")]
pub mod upstreams {}
#[doc = include_str!("../guide/websockets.md")]
pub mod websockets {}
