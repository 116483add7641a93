//! What gabion promises, a module per promise.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should say so and stop"
)]

mod allow_wins;
mod architecture;
mod ban_by_list;
mod ban_expires;
mod benign_paths_pass;
mod clean_request_does_not_allocate;
mod client_behind_proxies;
mod client_by_other_headers;
mod denial_is_evented;
mod deny_on_every_view;
mod foreign_host_gets_421;
mod fuzz_regressions;
mod inner_services;
mod layers_alone;
mod observe_mode_never_denies;
mod own_rule;
mod panic_is_contained;
mod path_vectors;
mod policy_swaps_under_load;
mod private_address_is_never_banned;
mod real_log;
mod reload_keeps_old_on_error;
mod state_survives_reload;
mod support;
mod truce_observes_everything;
mod websocket_survives_reload;
