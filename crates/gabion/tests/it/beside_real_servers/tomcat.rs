//! A Tomcat with one servlet, which answers with the request as Tomcat reads it.

use std::net::SocketAddr;

use gabion_testkit::{TempFolder, installed, program, unescape};

use super::server::Server;

const FILES: [(&str, &str); 3] = [
    (
        "conf/server.xml",
        include_str!("../../../testdata/beside_real_servers/tomcat/server.xml"),
    ),
    (
        "webapps/ROOT/WEB-INF/web.xml",
        include_str!("../../../testdata/beside_real_servers/tomcat/web.xml"),
    ),
    (
        "webapps/ROOT/WEB-INF/echo.jsp",
        include_str!("../../../testdata/beside_real_servers/tomcat/echo.jsp"),
    ),
];

/// A Tomcat on loopback.
pub(super) struct Tomcat {
    _server: Server,
    addr: SocketAddr,
}

/// A request as Tomcat reads it, escaped for `unescape`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Echo {
    pub(super) method: String,
    pub(super) uri: String,
    /// The path that Tomcat maps to a servlet: decoded, without parameters and dot segments.
    pub(super) path: String,
    pub(super) query: Option<String>,
    pub(super) host: Option<String>,
}

// === impl Tomcat ===

impl Tomcat {
    /// Starts Tomcat. If it or Java is not installed, prints `SKIPPED` and returns `None`.
    pub(super) async fn start() -> Option<Self> {
        let java = program("java")?;
        let home = installed("/usr/share/tomcat10")?;
        let folder = TempFolder::new("tomcat");
        for (name, text) in FILES {
            folder.write(name, text);
        }
        let (home, base) = (home.display(), folder.path().display());
        let args = [
            "-Xmx128m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Decho.port=0",
            "-Dorg.apache.catalina.startup.EXIT_ON_INIT_FAILURE=true",
            &format!("-Dcatalina.home={home}"),
            &format!("-Dcatalina.base={base}"),
            &format!("-Djava.io.tmpdir={base}"),
            "-cp",
            &format!("{home}/bin/bootstrap.jar:{home}/bin/tomcat-juli.jar"),
            "org.apache.catalina.startup.Bootstrap",
        ];
        let server = Server::start(folder, &java, &args, "Server startup in").await?;
        let log = server.log();
        let (_, port) = log
            .split_once("Starting ProtocolHandler [\"http-nio-127.0.0.1-auto-1-")
            .expect("the port that it chose");
        let port = port.split('"').next().unwrap().parse().unwrap();
        Some(Self {
            _server: server,
            addr: SocketAddr::from(([127, 0, 0, 1], port)),
        })
    }

    /// The listening address.
    pub(super) const fn addr(&self) -> SocketAddr {
        self.addr
    }
}

// === impl Echo ===

impl Echo {
    /// Parses a response of the servlet. Also returns the number of its responses so far.
    pub(super) fn read(text: &str) -> (Self, usize) {
        // A name without a value has no space after it.
        let fact = |name: &str| {
            let mut lines = text.lines();
            let line = lines.find_map(|line| line.strip_prefix(name));
            let value = line.expect("every fact").strip_prefix(' ');
            value.map(ToOwned::to_owned)
        };
        let certain = |name: &str| fact(name).expect("what every request has");
        let path = certain("servlet-path") + &fact("path-info").unwrap_or_default();
        let echo = Self {
            method: certain("method"),
            uri: certain("uri"),
            path,
            query: fact("query"),
            host: fact("host"),
        };
        (echo, certain("count").parse().unwrap())
    }

    /// The target that Tomcat received.
    pub(super) fn target(&self) -> String {
        let query = self.query.iter().map(|query| format!("?{query}"));
        self.uri.clone() + &query.collect::<String>()
    }

    /// The path as bytes.
    pub(super) fn path(&self) -> Vec<u8> {
        unescape(&self.path)
    }
}
