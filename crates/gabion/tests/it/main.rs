//! The promises of gabion, one module per promise.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should say so and stop"
)]

mod allow_wins;
mod architecture;
mod attacks_on_parameters;
mod ban_budget_is_kept;
mod ban_by_list;
mod ban_closes_sockets;
mod ban_ends_streams;
mod ban_expires;
mod ban_grows;
mod ban_list_is_checked;
mod ban_needs_evidence;
mod benign_paths_pass;
mod beside_real_servers;
mod body_limit_is_kept;
mod claimed_cross_site;
mod claims_of_clients_are_removed;
mod clean_request_does_not_allocate;
mod client_behind_proxies;
mod client_budget_spans_sockets;
mod client_by_other_headers;
mod compressed_attack_is_caught;
mod control_frames_are_judged;
mod cookie_is_read_whole;
mod costly_heads;
mod custom_rule;
mod dead_peer_is_found;
mod denial_is_evented;
mod deny_on_every_view;
mod diagnosis_is_reported;
mod foreign_host_gets_421;
mod forwards_one_spelling;
mod fuzz_regressions;
mod guide_examples_compile;
mod guide_names_every_key;
mod handshake_policy;
mod hostile_page_bans_no_visitor;
mod hostile_page_in_chromium;
mod idle_timeout_is_learned;
mod inflate_ratio_is_a_key;
mod inflated_bytes_count;
mod inflating_sockets_pause;
mod inner_services;
mod known_attacks;
mod laws;
mod layers_alone;
mod limit_bans;
mod limit_behind_proxies_and_keys;
mod limit_memory_is_bounded;
mod limit_per_client;
mod limit_shared_across_connections;
mod limit_survives_reload;
mod maintains_itself;
mod message_memory_is_bounded;
mod message_rule_is_kept;
mod message_rules_are_judged;
mod missing_pages;
mod observe_mode_never_denies;
mod observe_override_observes_everything;
mod operator_bans;
mod packs_scored;
mod panic_is_contained;
mod path_vectors;
mod pings_keep_sockets_open;
mod policy_swaps_under_load;
mod private_address_is_never_banned;
mod probe_answered_2xx_is_reported;
mod protocol_table;
mod protocol_upgrade;
mod public_api;
mod real_log;
mod real_log_scored;
mod refused_framing_closes;
mod reload_keeps_old_on_error;
mod requests_arrive_unchanged;
mod responses_arrive_unchanged;
mod scanner_is_scored;
mod session_memory_is_small;
mod single_layers;
mod slow_frame_and_control_flood_are_closed;
mod slow_reader_is_cut;
mod socket_budget_is_kept;
mod spellings_are_judged_alike;
mod state_survives_reload;
mod support;
mod template_limit;
mod unparsable_request_is_evented;
mod upgraded_bytes_are_untouched;
mod waiting_requests_hold_no_policy;
mod websocket_survives_reload;
