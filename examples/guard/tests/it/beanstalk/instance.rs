//! An instance of Elastic Beanstalk, built from the files of the kit.

use std::{fs, net::SocketAddr};

use gabion_testkit::{Nginx, TempFolder, program};

use crate::{kits, support::Guard};

/// The parts of the `http` block of Beanstalk's own `nginx.conf` that the files of the kit meet.
const NGINX: &str = "
    {http}
    map $http_upgrade $connection_upgrade {
        default \"upgrade\";
    }
    server {
        listen {listen} default_server;
        client_header_timeout 60;
        client_body_timeout 60;
        keepalive_timeout 60;
        {server}
    }
";

/// Where guard is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Balancer, nginx, guard, app.
    NginxInFront,
    /// Balancer, guard, app.
    WithoutNginx,
}

/// The processes of an instance, without its app.
pub(super) struct Instance {
    guard: Guard,
    nginx: Option<Nginx>,
    folder: TempFolder,
}

// === impl Layout ===

impl Layout {
    pub(super) const BOTH: [Self; 2] = [Self::NginxInFront, Self::WithoutNginx];

    /// The path of a file of the kit within `examples/deploy`.
    pub(super) fn file(self, name: &str) -> String {
        let folder = match self {
            Self::NginxInFront => "nginx-in-front",
            Self::WithoutNginx => "without-nginx",
        };
        format!("elastic-beanstalk/{folder}/{name}")
    }

    #[track_caller]
    pub(super) fn read(self, name: &str) -> String {
        kits::read(&self.file(name))
    }

    /// The arguments of guard in the Procfile.
    pub(super) fn guard_args(self) -> Vec<String> {
        let procfile = self.read("Procfile");
        let (_, args) = procfile
            .lines()
            .find_map(|line| line.strip_prefix("web: "))
            .and_then(|command| command.split_once("bin/guard "))
            .expect("guard is the process `web`");
        args.split(' ').map(ToOwned::to_owned).collect()
    }
}

// === impl Instance ===

impl Instance {
    /// Starts guard with the arguments and the policy of the kit in front of `app`, and nginx with its files.
    /// Returns `None`, with a message, if nginx is not installed.
    pub(super) async fn start(layout: Layout, test: &str, app: SocketAddr) -> Option<Self> {
        let folder = TempFolder::new(&format!("beanstalk-{test}"));
        let policy = folder.write("policy.toml", &policy(layout));
        let mut args = layout.guard_args();
        // `Guard::start` listens on a free port.
        let listen = args.iter().position(|arg| arg == "--listen").unwrap();
        args.drain(listen..listen + 2);
        replace_arg(
            &mut args,
            "--upstream",
            "http://127.0.0.1:8080",
            &format!("http://{app}"),
        );
        replace_arg(&mut args, "--policy", "policy.toml", &policy);
        if layout == Layout::WithoutNginx {
            let log = folder.path().display().to_string();
            replace_arg(&mut args, "--eb-health-log", "/var/log/nginx/healthd", &log);
        }
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let guard = Guard::start(&args).await;
        let nginx = match layout {
            Layout::NginxInFront => Some(nginx(test, guard.addr()).await?),
            Layout::WithoutNginx => None,
        };
        Some(Self {
            guard,
            nginx,
            folder,
        })
    }

    /// The address for the balancer.
    pub(super) fn addr(&self) -> SocketAddr {
        let nginx = self.nginx.as_ref().map(Nginx::addr);
        nginx.unwrap_or_else(|| self.guard.addr())
    }

    pub(super) const fn guard(&self) -> &Guard {
        &self.guard
    }

    /// The lines of the health log so far, of all hours.
    #[expect(clippy::disallowed_methods, reason = "a test reads what was written")]
    pub(super) fn health_log(&self) -> String {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let files = entries.map(|entry| entry.unwrap().path());
        let logs = files.filter(|file| file.to_string_lossy().contains("/application.log."));
        logs.map(|file| fs::read_to_string(file).unwrap()).collect()
    }
}

/// The policy of the kit, with the addresses and times of the test.
fn policy(layout: Layout) -> String {
    let policy = layout.read("policy.toml");
    let policy = match layout {
        Layout::NginxInFront => replaced(&policy, "127.0.0.0/8", "127.0.0.1/32"),
        Layout::WithoutNginx => policy,
    };
    let policy = replaced(&policy, "172.31.0.0/16", "127.0.0.2/32");
    let policy = replaced(&policy, "172.31.0.9", "127.0.0.2");
    let policy = replaced(&policy, "# hosts =", "hosts =");
    replaced(&policy, "ping = \"25s\"", "ping = \"1s\"")
}

async fn nginx(test: &str, guard: SocketAddr) -> Option<Nginx> {
    let nginx = program("nginx")?;
    let file = |name: &str| Layout::NginxInFront.read(&format!(".platform/nginx/conf.d/{name}"));
    let http = replaced(&file("guard.conf"), "127.0.0.1:5000", &guard.to_string());
    let server = file("elasticbeanstalk/00_application.conf");
    let server = replaced(&server, "proxy_read_timeout 60s", "proxy_read_timeout 3s");
    let conf = NGINX.replace("{http}", &http).replace("{server}", &server);
    Some(Nginx::with_servers(&nginx, &format!("beanstalk-{test}"), &conf).await)
}

#[track_caller]
fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "no {from} in {text}");
    text.replace(from, to)
}

#[track_caller]
fn replace_arg(args: &mut [String], name: &str, from: &str, to: &str) {
    let index = args.iter().position(|arg| arg == name).expect(name);
    assert_eq!(args[index + 1], from);
    to.clone_into(&mut args[index + 1]);
}
