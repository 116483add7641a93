//! What a reload would do.

use serde_json::json;

use crate::support::{POLICY, Served};

#[test]
fn check_names_errors_and_what_would_be_lost_without_effect() {
    let served = Served::start();
    let check = |policy: &str| {
        served
            .post("/v1/check", &json!({ "policy": policy }).to_string())
            .1
    };
    let accepted = check(&format!(
        "{POLICY}[[deny]]\nid = 'php'\nextensions = ['php']\n"
    ));
    assert_eq!(accepted["outcome"], "accepted");
    assert!(
        accepted["summary"]
            .as_str()
            .unwrap()
            .starts_with("1 deny rules"),
        "{accepted}"
    );
    let shrinks = check("version = 1\n");
    assert_eq!(shrinks["outcome"], "shrinks");
    let messages = shrinks["messages"].to_string();
    assert!(
        messages.contains("this edit removes 203.0.113.63 from [allow]"),
        "{messages}"
    );
    let invalid = check("version = 1\n[alow]\n");
    assert_eq!(invalid["outcome"], "invalid");
    assert!(
        invalid["messages"]
            .to_string()
            .contains("did you mean `allow`?"),
        "{invalid}"
    );
    assert_eq!(served.guard.generation(), 0);
    assert!(served.events.take().is_empty());
}

#[test]
fn files_of_the_machine_are_read_for_local_callers_only() {
    let served = Served::start();
    let file = served.folder.write("secret.toml", "password = 'hunter2'\n");
    let list = served.folder.write("secret.txt", "hunter2\n");
    let by_path = json!({ "path": file }).to_string();
    let names_list = format!("{POLICY}[ban]\nfiles = ['{list}']\n");
    let by_list = json!({ "policy": names_list }).to_string();
    let headers = format!(
        "Host: 127.0.0.1\r\n{}Content-Type: application/json\r\n",
        served.bearer()
    );
    for body in [&by_path, &by_list] {
        let (status, answer) = served.tcp("POST /v1/check", &headers, body);
        assert_eq!(status, 403, "{answer}");
        assert!(!answer.to_string().contains("hunter2"), "{answer}");
    }
    let (status, local) = served.post("/v1/check", &by_path);
    assert_eq!((status, &local["outcome"]), (200, &json!("invalid")));
    assert!(local.to_string().contains("hunter2"), "{local}");
    let remote = json!({ "policy": POLICY }).to_string();
    assert_eq!(
        served.tcp("POST /v1/check", &headers, &remote).1["outcome"],
        "accepted"
    );
    assert_eq!(
        served.post("/v1/check", r#"{"path": "relative.toml"}"#).0,
        400
    );
}
