//! Bans, exemptions and erasure.

use std::{sync::Arc, time::Duration};

use gabion_admin::{Durability, NotDurable, SubsystemStatus};
use serde_json::json;

use crate::support::Served;

fn ban(served: &Served, addr: &str) {
    let body = json!({ "address": addr, "for": "1h", "reason": "forms" });
    assert_eq!(served.post("/v1/bans", &body.to_string()).0, 200);
}

#[test]
fn invalid_bodies_are_refused_with_the_field_and_the_value() {
    let served = Served::start();
    let long = "x".repeat(513);
    for (body, status, field, words) in [
        (
            json!({ "address": "203.0.113.9", "for": "soon" }),
            400,
            "for",
            "`soon`",
        ),
        (
            json!({ "address": "203.0.113.9", "for": "4000d" }),
            400,
            "for",
            "`4000d`",
        ),
        (
            json!({ "address": "203.0.113.0/24", "for": "1h" }),
            400,
            "address",
            "network",
        ),
        (
            json!({ "address": "example.com", "for": "1h" }),
            400,
            "address",
            "`example.com`",
        ),
        (json!({ "address": 7, "for": "1h" }), 400, "address", "7"),
        (
            json!({ "address": "203.0.113.9", "for": "1h", "reason": "\u{1b}[2J" }),
            400,
            "reason",
            "\\u{1b}",
        ),
        (
            json!({ "address": "203.0.113.9", "for": "1h", "reason": long }),
            400,
            "reason",
            "513",
        ),
        (
            json!({ "address": "203.0.113.9", "for": "1h", "why": "a" }),
            400,
            "why",
            "unknown field `why`",
        ),
        (
            json!({ "address": "198.51.100.7", "for": "1h" }),
            409,
            "address",
            "trusted proxy",
        ),
    ] {
        let (answered, error) = served.post("/v1/bans", &body.to_string());
        assert_eq!(answered, status, "{body}: {error}");
        assert_eq!(error["field"], field, "{body}: {error}");
        assert!(
            error["error"].as_str().unwrap().contains(words),
            "{body}: {error}"
        );
    }
    assert!(served.guard.bans().is_empty());
    assert_eq!(served.post("/v1/bans", "{").0, 400);
    assert_eq!(served.unix("POST /v1/bans", "", "{}").0, 415);
    let large = format!("{{\"address\": \"{}\"}}", "x".repeat(70_000));
    assert_eq!(served.post("/v1/bans", &large).0, 413);
    assert_eq!(served.get("/v1/bans?rul=a").0, 400);
    assert_eq!(served.get("/v1/bans?sort=age").0, 400);
    assert_eq!(served.get("/v2/bans").0, 404);
    assert_eq!(served.delete("/v1/status").0, 405);
}

#[test]
fn bans_are_listed_by_filter_in_order() {
    let served = Served::start();
    for addr in ["203.0.113.9", "203.0.113.10", "2001:db8::7"] {
        ban(&served, addr);
    }
    let networks = |query: &str| {
        let (status, body) = served.get(&format!("/v1/bans?{query}"));
        assert_eq!(status, 200, "{query}: {body}");
        let rows = body["bans"].as_array().unwrap().iter();
        let networks: Vec<_> = rows
            .map(|row| row["network"].as_str().unwrap().to_owned())
            .collect();
        networks.join(" ")
    };
    let v4 = "203.0.113.9/32 203.0.113.10/32";
    assert_eq!(networks("sort=network"), format!("{v4} 2001:db8::/64"));
    assert_eq!(networks("sort=-network&limit=1"), "2001:db8::/64");
    assert_eq!(networks("sort=network&network=203.0.113.0/24"), v4);
    assert_eq!(networks("network=2001:db8::99"), "2001:db8::/64");
    assert_eq!(
        networks("reason=FORM&network=203.0.113.9"),
        "203.0.113.9/32"
    );
    assert_eq!(networks("rule=scan"), "");
    assert_eq!(networks("since=2h&sort=network"), networks("sort=network"));
    assert_eq!(networks("since=2999-01-01T00:00:00Z"), "");
}

#[test]
fn bans_are_lifted_by_address_and_by_filter_only() {
    let served = Served::start();
    for addr in ["203.0.113.9", "203.0.113.10", "203.0.113.11"] {
        ban(&served, addr);
    }
    assert_eq!(served.delete("/v1/bans/203.0.113.9").0, 200);
    assert_eq!(served.delete("/v1/bans/203.0.113.9").0, 404);
    for ambiguous in ["", "?all=yes", "?all=true&rule=scan", "?rule=scan&limit=1"] {
        assert_eq!(
            served.delete(&format!("/v1/bans{ambiguous}")).0,
            400,
            "{ambiguous}"
        );
    }
    assert_eq!(served.delete("/v1/bans?rule=scan").1["lifted"], json!([]));
    assert_eq!(served.guard.bans().len(), 2);
    let (_, lifted) = served.delete("/v1/bans?network=203.0.113.10&rule=ban/operator");
    assert_eq!(lifted["lifted"][0]["network"], "203.0.113.10/32");
    served.delete("/v1/bans?all=true");
    assert!(served.guard.bans().is_empty());
    let events = served.events.take_texts().join("\n");
    assert!(events.contains("unban: 1 bans (all)"), "{events}");
}

#[test]
fn exemption_lifts_bans_and_ends() {
    let served = Served::start();
    ban(&served, "203.0.113.9");
    let body = json!({ "address": "203.0.113.9", "for": "2h" }).to_string();
    let (_, allowed) = served.post("/v1/allows", &body);
    assert_eq!(allowed["lifted"], json!(["203.0.113.9/32"]));
    assert_eq!(
        served.get("/v1/allows").1["allows"][0]["network"],
        "203.0.113.9/32"
    );
    assert_eq!(served.delete("/v1/allows/203.0.113.9").0, 200);
    assert_eq!(served.delete("/v1/allows/203.0.113.9").0, 404);
    assert_eq!(served.get("/v1/allows").1["allows"], json!([]));
}

#[test]
fn event_about_erased_data_does_not_name_the_client() {
    let served = Served::start();
    ban(&served, "203.0.113.9");
    served.events.take();
    let body = json!({ "address": "203.0.113.9" }).to_string();
    assert_eq!(served.post("/v1/forget", &body).0, 200);
    assert!(served.guard.bans().is_empty());
    let events = served.events.take_texts();
    assert_eq!(events.len(), 1, "{events:?}");
    assert!(
        events[0].contains("forget: the data of one client"),
        "{events:?}"
    );
    assert!(!events[0].contains("203.0.113.9"), "{events:?}");
}

struct FullDisk;

impl Durability for FullDisk {
    fn sync(&self) -> Result<(), NotDurable> {
        Err(NotDurable::new("no space left"))
    }

    fn status(&self) -> SubsystemStatus {
        SubsystemStatus::new("redb", false).with_detail("no space left")
    }
}

#[test]
fn change_that_is_not_durable_gets_503_and_is_in_force() {
    let served = Served::start_with(|admin| admin.with_durability(Arc::new(FullDisk)));
    let body = json!({ "address": "203.0.113.9", "for": "1h" }).to_string();
    let (status, error) = served.post("/v1/bans", &body);
    assert_eq!((status, &error["applied"]), (503, &json!(true)));
    assert!(
        error["error"].as_str().unwrap().contains("no space left"),
        "{error}"
    );
    assert!(
        served
            .guard
            .find_ban("203.0.113.9".parse().unwrap())
            .is_some()
    );
    let store = served.get("/v1/status").1["store"].clone();
    assert_eq!(
        store,
        json!({ "kind": "redb", "healthy": false, "detail": "no space left" })
    );
}

#[test]
fn status_names_the_last_rejected_policy_and_the_override() {
    let served = Served::start();
    ban(&served, "203.0.113.9");
    served.guard.replace("version = 1\n[alow]\n").unwrap_err();
    served.guard.observe_for(Duration::from_mins(10));
    let (_, status) = served.get("/v1/status");
    assert_eq!(status["policy"]["name"], "policy");
    assert_eq!(status["policy"]["generation"], 0);
    let errors = status["policy"]["rejected"]["errors"].as_str().unwrap();
    assert!(errors.contains("did you mean `allow`?"), "{errors}");
    assert!(
        status["policy"]["rejected"]["at"]
            .as_str()
            .unwrap()
            .ends_with('Z')
    );
    assert_eq!(status["observes_for_seconds"], 600);
    assert_eq!(
        status["bans"],
        json!({ "count": 1, "capacity": 100_000, "allows": 0 })
    );
    assert_eq!(
        (&status["ready"], &status["sessions"]),
        (&json!(true), &json!(0))
    );
    served.guard.replace(crate::support::POLICY).unwrap();
    let (_, status) = served.get("/v1/status");
    assert_eq!(status["policy"].get("rejected"), None);
    assert_eq!(status["policy"]["generation"], 1);
}
