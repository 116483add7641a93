//! Figures in different files of the kit that belong together.

use super::instance::Layout;
use crate::kits::number_after;

#[track_caller]
fn figure(layout: Layout, file: &str, key: &str) -> u64 {
    number_after(&layout.read(file), key)
}

#[test]
fn timeouts_of_the_hops_fit() {
    for layout in Layout::BOTH {
        let option = |key: &str| figure(layout, ".ebextensions/guard.config", key);
        let args = layout.guard_args();
        let grace = args.iter().position(|arg| arg == "--grace").unwrap();
        let grace: u64 = args[grace + 1].parse().unwrap();
        assert!(option("DeregistrationDelay:") > grace);

        let ping = figure(layout, "policy.toml", "ping = ");
        let idle = option("IdleTimeout:");
        assert!(2 * ping < idle, "one lost ping must not end a WebSocket");
        if layout == Layout::NginxInFront {
            let file = ".platform/nginx/conf.d/elasticbeanstalk/00_application.conf";
            assert!(figure(layout, file, "\n    keepalive_timeout") > idle);
            assert!(2 * ping < figure(layout, file, "proxy_read_timeout"));
        }
    }
}

#[test]
fn balancer_connects_to_the_port_of_the_layout() {
    for (layout, port) in [(Layout::NginxInFront, 80), (Layout::WithoutNginx, 8000)] {
        assert_eq!(figure(layout, ".ebextensions/guard.config", " Port:"), port);
    }
    let args = Layout::WithoutNginx.guard_args().join(" ");
    assert!(args.contains("--listen 0.0.0.0:8000 "), "{args}");
    let args = Layout::NginxInFront.guard_args().join(" ");
    assert!(args.contains("--listen 127.0.0.1:5000 "), "{args}");
}

#[test]
fn refused_requests_do_not_change_the_health_of_the_environment() {
    for layout in Layout::BOTH {
        let options = layout.read(".ebextensions/guard.config");
        let (_, document) = options.split_once("ConfigDocument: >-\n").unwrap();
        let document: serde_json::Value = serde_json::from_str(document).unwrap();
        let rules = &document["Rules"]["Environment"];
        assert_eq!(document["Version"], 1);
        assert_eq!(
            rules["Application"]["ApplicationRequests4xx"]["Enabled"],
            false
        );
        assert_eq!(rules["ELB"]["ELBRequests4xx"]["Enabled"], false);
    }
}

/// A change of a file in one layout is also for the other one.
#[test]
fn both_layouts_have_the_same_app_and_the_same_hook() {
    let [with, without] = Layout::BOTH.map(|layout| {
        let procfile = layout.read("Procfile");
        let app = procfile.lines().find(|line| line.starts_with("app: "));
        let hook = layout.read(".platform/hooks/postdeploy/50_app_port.sh");
        (app.unwrap().to_owned(), hook)
    });
    assert_eq!(with, without);
    assert!(with.0.contains("127.0.0.1"));
}
