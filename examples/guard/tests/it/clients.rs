//! Third-party clients: curl, Python websockets and Chromium.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

use gabion_testkit::{Backend, dump_dom, program};

use crate::support::{Guard, text};

const SPEAK: &str = r"
import asyncio, sys, websockets

async def speak(url):
    async with websockets.connect(url) as socket:
        for text in ('one', 'x' * 100_000, 'three'):
            await socket.send(text)
            assert await asyncio.wait_for(socket.recv(), 10) == text
        await asyncio.wait_for(await socket.ping(), 10)
    print('closed', socket.close_code)
    try:
        async with websockets.connect(url.replace('/ws', '/.git/ws')):
            print('opened')
    except Exception as refusal:
        print('refused', '403' in str(refusal))

asyncio.run(speak(sys.argv[1]))
";

/// Runs a program until it exits.
pub(crate) async fn run(mut command: Command) -> Output {
    command.stdin(Stdio::null());
    let run = tokio::task::spawn_blocking(move || command.output().unwrap());
    run.await.unwrap()
}

pub(crate) fn curl(curl: &Path, url: &str) -> Command {
    let mut command = Command::new(curl);
    command.args([
        "--silent",
        "--show-error",
        "--noproxy",
        "*",
        "--max-time",
        "15",
    ]);
    command.args(["--write-out", "\n%{http_version} %{http_code}", url]);
    command
}

#[tokio::test]
async fn curl_can_use_http2_only_with_the_option_h2() {
    let Some(program) = program("curl") else {
        return;
    };
    let behind = Backend::start().await;
    for (args, works) in [(vec!["--h2"], true), (vec![], false)] {
        let guard = Guard::start(&[&["--upstream", &behind.url()], &*args].concat()).await;
        let url = format!("http://{}/x", guard.addr());
        let mut http2 = curl(&program, &url);
        http2.arg("--http2-prior-knowledge");
        let output = run(http2).await;
        assert_eq!(output.status.success(), works, "{}", text(&output.stderr));
        assert_eq!(behind.take().len(), usize::from(works));
        if works {
            assert_eq!(text(&output.stdout), "ok\n2 200");
        }
        let output = run(curl(&program, &url)).await;
        assert_eq!(
            text(&output.stdout),
            "ok\n1.1 200",
            "{}",
            text(&output.stderr)
        );
        let seen = behind.take();
        assert_eq!((seen.len(), &*seen[0].target), (1, "/x"));
        let output = run(curl(&program, &format!("http://{}/.env", guard.addr()))).await;
        assert!(text(&output.stdout).ends_with("\n1.1 403"));
    }
}

#[tokio::test]
async fn python_client_exchanges_messages_over_a_websocket() {
    let Some(python) = python_with_websockets().await else {
        return;
    };
    let guard = Guard::start(&[]).await;
    let mut speak = Command::new(python);
    speak.args(["-c", SPEAK, &format!("ws://{}/ws", guard.addr())]);
    let output = run(speak).await;
    assert_eq!(
        text(&output.stdout),
        "closed 1000\nrefused True\n",
        "{}",
        text(&output.stderr)
    );
    guard
        .logged(["denied", "target=\"/.git/ws\"", "rule=never/history"])
        .await;
}

/// Returns the python3 of Debian if its package python3-websockets is installed.
pub(crate) async fn python_with_websockets() -> Option<&'static str> {
    const PYTHON: &str = "/usr/bin/python3";
    let mut import = Command::new(PYTHON);
    import.args(["-c", "import websockets"]);
    if Path::new(PYTHON).exists() && run(import).await.status.success() {
        return Some(PYTHON);
    }
    // Skips with a message, or fails if programs are required.
    program("python3 with its package websockets");
    None
}

#[tokio::test]
async fn browser_shows_the_demo_page_and_its_echo() {
    let Some(chromium) = program("chromium") else {
        return;
    };
    let guard = Guard::start(&[]).await;
    let mut shown = String::new();
    // Virtual time does not wait for a socket: on a busy machine the page may be dumped too early.
    for _ in 0..6 {
        shown = dump_dom(&chromium, format!("http://{}/", guard.addr())).await;
        let words = [">open</span>", "&lt; first message"];
        if words.iter().all(|words| shown.contains(words)) {
            assert!(!guard.log().contains("denied"), "{}", guard.log());
            return;
        }
    }
    panic!("no echo in\n{shown}");
}
