//! Third-party clients over TLS: curl, openssl, Python websockets.

use std::process::Command;

use gabion_testkit::{Backend, program};

use super::Authority;
use crate::{
    clients::{curl, python_with_websockets, run},
    support::{Guard, text},
};

#[tokio::test]
async fn curl_speaks_http1_and_http2() {
    let Some(program) = program("curl") else {
        return;
    };
    let authority = Authority::new("guard-tls-curl");
    let behind = Backend::start().await;
    let guard = authority.guard(&["--upstream", &behind.url()]).await;
    let url = |path: &str| format!("https://localhost:{}{path}", guard.tls_addr().port());
    let get = |path: &str, version: &str| {
        let mut command = curl(&program, &url(path));
        command.args(["--cacert", &authority.file(), "-4", version]);
        run(command)
    };
    for (version, shown) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let output = get("/x", version).await;
        let expected = format!("ok\n{shown} 200");
        assert_eq!(text(&output.stdout), expected, "{}", text(&output.stderr));
        let seen = behind.take();
        let proto = seen[0].headers.get("x-forwarded-proto").unwrap();
        assert_eq!(proto, "https");
        let denied = get("/.env", version).await;
        assert!(text(&denied.stdout).ends_with(&format!("\n{shown} 403")));
    }
    // Plain HTTP on this port.
    let plain = url("/").replace("https:", "http:");
    let output = run(curl(&program, &plain)).await;
    let shown = text(&output.stdout);
    assert!(
        shown.contains("this port speaks HTTPS") && shown.ends_with("\n1.1 400"),
        "{shown}"
    );
    guard.logged(["W13", "accepts TLS only"]).await;
}

#[tokio::test]
async fn openssl_sees_the_chain_and_the_protocols() {
    let Some(program) = program("openssl") else {
        return;
    };
    let authority = Authority::new("guard-tls-openssl");
    let guard = authority.guard(&[]).await;
    let connect = |args: &[&str]| {
        let mut command = Command::new(&program);
        let addr = guard.tls_addr().to_string();
        command.args(["s_client", "-connect", &addr, "-servername", "localhost"]);
        command
            .args(["-verify_return_error", "-CAfile", &authority.file()])
            .args(args);
        run(command)
    };
    for (args, shown) in [
        (
            &["-tls1_3", "-alpn", "h2,http/1.1"][..],
            "ALPN protocol: h2",
        ),
        (&["-tls1_2", "-alpn", "http/1.1"], "ALPN protocol: http/1.1"),
        (&["-tls1_3"], "No ALPN negotiated"),
    ] {
        let output = connect(args).await;
        let stdout = text(&output.stdout);
        assert!(
            stdout.contains("Verify return code: 0 (ok)"),
            "{args:?}: {stdout}"
        );
        assert!(stdout.contains(shown), "{args:?}: {stdout}");
    }
    let old = connect(&["-tls1_1"]).await;
    assert!(!old.status.success(), "TLS 1.1 is not supported");
}

const SPEAK: &str = r"
import asyncio, ssl, sys, websockets

async def speak(url, authority):
    context = ssl.create_default_context(cafile=authority)
    async with websockets.connect(url, ssl=context) as socket:
        for text in ('one', 'x' * 100_000, 'three'):
            await socket.send(text)
            assert await asyncio.wait_for(socket.recv(), 10) == text
        await asyncio.wait_for(await socket.ping(), 10)
    print('closed', socket.close_code)

asyncio.run(speak(sys.argv[1], sys.argv[2]))
";

#[tokio::test]
async fn python_client_exchanges_messages_over_a_websocket() {
    let Some(python) = python_with_websockets().await else {
        return;
    };
    let authority = Authority::new("guard-tls-python");
    let guard: Guard = authority.guard(&[]).await;
    let mut speak = Command::new(python);
    let url = format!("wss://localhost:{}/ws", guard.tls_addr().port());
    speak.args(["-c", SPEAK, &url, &authority.file()]);
    let output = run(speak).await;
    assert_eq!(
        text(&output.stdout),
        "closed 1000\n",
        "{}",
        text(&output.stderr)
    );
}
