//! A real Tomcat.

use std::net::SocketAddr;

use crate::{ServerProcess, TempFolder, installed, program};

/// One connector on loopback.
const SERVER: &str = include_str!("tomcat.xml");

/// A running Tomcat on a free loopback port. Dropping it kills the process.
#[derive(Debug)]
pub struct Tomcat {
    _server: ServerProcess,
    addr: SocketAddr,
}

// === impl Tomcat ===

impl Tomcat {
    /// Starts Tomcat with these files in its only web application. If it or Java is not installed, prints
    /// `SKIPPED` and returns `None`.
    pub async fn start(files: &[(&str, &str)]) -> Option<Self> {
        let java = program("java")?;
        let home = installed("/usr/share/tomcat10")?;
        let folder = TempFolder::new("tomcat");
        folder.write("conf/server.xml", SERVER);
        for (name, text) in files {
            folder.write(&format!("webapps/ROOT/{name}"), text);
        }
        let (home, base) = (home.display(), folder.path().display());
        let args = [
            "-Xmx128m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Dorg.apache.catalina.startup.EXIT_ON_INIT_FAILURE=true",
            &format!("-Dcatalina.home={home}"),
            &format!("-Dcatalina.base={base}"),
            &format!("-Djava.io.tmpdir={base}"),
            "-cp",
            &format!("{home}/bin/bootstrap.jar:{home}/bin/tomcat-juli.jar"),
            "org.apache.catalina.startup.Bootstrap",
        ];
        let server = ServerProcess::start(folder, &java, &args, "Server startup in").await?;
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
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }
}
