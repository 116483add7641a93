//! A page of another site, with every trick that makes the visitor's browser request a probe.

use std::{fmt::Write as _, net::SocketAddr, sync::Arc, time::Duration};

use gabion_testkit::LoopbackServer;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::sleep,
};

/// The number of images that differ in their path only.
pub(super) const IMAGES: usize = 50;

/// The time in which the page stays open.
const HELD: Duration = Duration::from_secs(3);

/// A trick: its name, which occurs in its path, and the markup, in which `URL` is `http://SITE/name/.env`.
pub(super) type Trick = (&'static str, &'static str);

/// The tricks, by name.
pub(super) const TRICKS: &[Trick] = &[
    ("angle", "<img src='http://SITE/angle%3C/.env'>"),
    (
        "anchor",
        "<a id=anchor href='URL' rel=noreferrer target=_blank></a><script>later(() => anchor.click())</script>",
    ),
    ("audio", "<audio src='URL' autoplay muted></audio>"),
    ("backslash", "<img src='http://SITE/backslash%5C/.env'>"),
    ("backtick", "<img src='http://SITE/backtick%60/.env'>"),
    (
        "beacon",
        "<script>navigator.sendBeacon('URL', new Blob(['{}'], {type: 'application/json'}))</script>",
    ),
    (
        "beacon-text",
        "<script>navigator.sendBeacon('URL', 'x')</script>",
    ),
    ("blank", "<img src='http://SITE/blank%20/.env'>"),
    ("brace", "<img src='http://SITE/brace%7B/.env'>"),
    ("bytes", "<img src='http://SITE/bytes%C3%A9/.env'>"),
    ("caret", "<img src='http://SITE/caret%5E/.env'>"),
    ("css", "<div style='background:url(URL);height:9px'>x</div>"),
    (
        "custom-header",
        "<script>fetch('URL', {headers: {'X-Custom': '1'}}).catch(() => 0)</script>",
    ),
    (
        "delete",
        "<script>fetch('URL', {method: 'DELETE'}).catch(() => 0)</script>",
    ),
    ("dots", "<img src='http://SITE/x%2F..%2Fdots/.env'>"),
    (
        "dot-segments",
        "<img src='http://SITE/a/../dot-segments/./.env'>",
    ),
    ("embed", "<embed src='URL'>"),
    (
        "escaped-dots",
        "<img src='http://SITE/escaped-dots/%252e%252e/.env'>",
    ),
    ("events", "<script>new EventSource('URL')</script>"),
    (
        "fetch",
        "<script>fetch('URL', {mode: 'no-cors'}).catch(() => 0)</script>",
    ),
    (
        "form",
        "<iframe name=form></iframe><form id=f1 method=post target=form action='URL'><input name=a value=b></form><script>f1.submit()</script>",
    ),
    (
        "form-text",
        "<iframe name=form2></iframe><form id=f2 method=post enctype=text/plain target=form2 action='URL'><input name=a value=b></form><script>f2.submit()</script>",
    ),
    (
        "head",
        "<script>fetch('URL', {method: 'HEAD', mode: 'no-cors'}).catch(() => 0)</script>",
    ),
    ("iframe", "<iframe src='URL'></iframe>"),
    ("import", "<script>import('URL').catch(() => 0)</script>"),
    ("latin1", "<img src='http://SITE/latin1%E9/.env'>"),
    ("stylesheet", "<link rel=stylesheet href='URL'>"),
    (
        "meta-refresh",
        "<iframe srcdoc=\"<meta name=referrer content=no-referrer><meta http-equiv=refresh content='0;url=URL'>\"></iframe>",
    ),
    ("modulepreload", "<link rel=modulepreload href='URL'>"),
    ("object", "<object data='URL'></object>"),
    ("prefetch", "<link rel=prefetch href='URL'>"),
    ("preload", "<link rel=preload as=image href='URL'>"),
    (
        "put",
        "<script>fetch('URL', {method: 'PUT'}).catch(() => 0)</script>",
    ),
    ("query", "<img src='http://SITE/query/.env?a=\"<>`'>"),
    ("quote", "<img src='http://SITE/quote%22/.env'>"),
    (
        "sandbox",
        "<iframe sandbox=allow-scripts srcdoc=\"<img src='URL'>\"></iframe>",
    ),
    ("script", "<script src='URL'></script>"),
    (
        "speculated-page",
        "<script type=speculationrules>{\"prerender\": [{\"urls\": [\"URL\"], \"eagerness\": \"immediate\", \"referrer_policy\": \"no-referrer\"}]}</script>",
    ),
    (
        "speculation",
        "<script type=speculationrules>{\"prefetch\": [{\"urls\": [\"URL\"], \"eagerness\": \"immediate\", \"referrer_policy\": \"no-referrer\"}]}</script>",
    ),
    ("video", "<video src='URL' autoplay muted></video>"),
    (
        "websocket",
        "<script>new WebSocket('ws://SITE/websocket/.env')</script>",
    ),
    (
        "window",
        "<script>later(() => window.open('URL', '', 'noreferrer'))</script>",
    ),
    (
        "xhr",
        "<script>{const x = new XMLHttpRequest; x.open('POST', 'URL'); x.send('x')}</script>",
    ),
];

/// The page, with this referrer policy.
fn page(site: &str, referrer: &str) -> String {
    let mut page = format!("<meta name=referrer content={referrer}><p id=state>begun</p>");
    // A page behind another window loads no media, and nothing in advance.
    page += "<script>const later = (open) => setTimeout(open, 2000)</script>";
    for (name, markup) in TRICKS {
        let url = format!("http://{site}/{name}/.env");
        page += &markup.replace("URL", &url).replace("SITE", site);
        page.push('\n');
    }
    for image in 0..IMAGES {
        write!(
            page,
            "<img src='http://{site}/image/{image}/.env?x={image}'>"
        )
        .unwrap();
    }
    // Speculation rules are applied while the page is open.
    page += "<img src=/held>";
    page += "<script>onload = () => state.textContent = 'all requested'</script>";
    page
}

/// A server that answers every request with the page about `site`.
pub(super) async fn serve(site: &str, referrer: &str) -> LoopbackServer {
    let page = page(site, referrer);
    let length = page.len();
    let answer: Arc<str> = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{page}"
    )
    .into();
    let serve = move |mut socket: TcpStream| {
        let answer = Arc::clone(&answer);
        async move {
            let mut head = [0; 4096];
            // One read gets the whole request head.
            let _ = socket.read(&mut head).await;
            if head.starts_with(b"GET /held ") {
                sleep(HELD).await;
            }
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    };
    LoopbackServer::start(serve).await
}

/// The names under which the browser reaches the page and the site.
pub(super) struct Names {
    pub(super) page: &'static str,
    pub(super) site: &'static str,
    pub(super) referrer: &'static str,
}

impl Names {
    pub(super) fn site(&self, addr: SocketAddr) -> String {
        format!("{}:{}", self.site, addr.port())
    }
}
