//! Honest clients, which send requests at a steady rate.

use std::{
    cell::RefCell,
    io,
    net::{IpAddr, SocketAddr},
    rc::Rc,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::{Instant, interval, timeout},
};

use crate::{address::connect, upstream::PAGE};

/// The latencies of requests in milliseconds, in ascending order. A failed request counts as one that takes
/// forever.
#[derive(Clone, Debug)]
pub(crate) struct Latencies(Vec<f64>);

/// The interval of requests.
const EVERY: Duration = Duration::from_millis(5);

/// A request that takes longer has failed.
const TIMEOUT: Duration = Duration::from_secs(5);

const REQUEST: &[u8] = b"GET /page HTTP/1.1\r\nHost: app.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; \
    rv:140.0) Gecko/20100101 Firefox/140.0\r\nAccept: */*\r\nAccept-Language: en-US,en;q=0.5\r\n\r\n";

/// Open connections on which no request is in progress.
type Kept = Rc<RefCell<Vec<TcpStream>>>;

/// Sends 200 requests per second to `addr`, from several addresses, each second one on a new connection. None waits for the response to
/// another, so that a slow proxy gets no fewer.
pub(crate) async fn measure(
    addr: SocketAddr,
    from: impl Fn(u8) -> IpAddr,
    lasts: Duration,
) -> Latencies {
    let kept = Kept::default();
    let mut requests = JoinSet::new();
    let mut ticks = interval(EVERY);
    for nth in 0..lasts.as_millis() / EVERY.as_millis() {
        ticks.tick().await;
        let from = from(nth.to_le_bytes()[0] / 2);
        let kept = (nth % 2 == 0).then(|| Rc::clone(&kept));
        requests.spawn_local(async move {
            let start = Instant::now();
            match timeout(TIMEOUT, request(addr, from, kept)).await {
                Ok(Ok(())) => start.elapsed().as_secs_f64() * 1e3,
                Ok(Err(_)) | Err(_) => f64::INFINITY,
            }
        });
    }
    let mut latencies = requests.join_all().await;
    latencies.sort_by(f64::total_cmp);
    Latencies(latencies)
}

/// Sends a request on a kept connection, or on a new one if `kept` is `None` or empty. If the proxy has closed
/// the kept one, it is sent again on a new one, as a browser does.
async fn request(addr: SocketAddr, from: IpAddr, kept: Option<Kept>) -> io::Result<()> {
    let open = kept.as_ref().and_then(|kept| kept.borrow_mut().pop());
    if let (Some(mut stream), Some(kept)) = (open, &kept)
        && exchange(&mut stream).await.is_ok()
    {
        kept.borrow_mut().push(stream);
        return Ok(());
    }
    let mut stream = connect(addr, from, None).await?;
    exchange(&mut stream).await?;
    if let Some(kept) = kept {
        kept.borrow_mut().push(stream);
    }
    Ok(())
}

/// Sends a request and reads its response, which must be the page.
async fn exchange(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(REQUEST).await?;
    let mut response = Vec::with_capacity(2 * PAGE);
    loop {
        if stream.read_buf(&mut response).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if !b"HTTP/1.1 200 ".iter().zip(&response).all(|(a, b)| a == b) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let head = response.windows(4).position(|end| end == b"\r\n\r\n");
        if head.is_some_and(|head| response.len() >= head + 4 + PAGE) {
            return Ok(());
        }
    }
}

// === impl Latencies ===

impl Latencies {
    /// The latency that this share of the requests does not exceed; infinite if more of them failed.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index of a short list"
        )]
        let nth = (self.0.len() as f64 * share) as usize;
        self.0.get(nth).copied().unwrap_or(f64::INFINITY)
    }

    pub(crate) fn failed(&self) -> usize {
        let failed = |millis: &&f64| millis.is_infinite();
        self.0.iter().filter(failed).count()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}
