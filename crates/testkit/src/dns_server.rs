//! A DNS server on loopback.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use tokio::{net::UdpSocket, task::JoinSet};

/// A DNS server over UDP on a free loopback port, which answers from its own records only. A name without records
/// does not exist (NXDOMAIN). Dropping it ends it.
#[derive(Debug)]
pub struct DnsServer {
    addr: SocketAddr,
    zone: Arc<Zone>,
    _serving: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Zone {
    records: Mutex<HashMap<String, Vec<Record>>>,
    is_silent: AtomicBool,
    asked: Mutex<Vec<String>>,
}

#[derive(Clone, Debug)]
enum Record {
    Addr(IpAddr),
    Pointer(String),
}

const A: u16 = 1;
const PTR: u16 = 12;
const AAAA: u16 = 28;
const HEADER: usize = 12;

// === impl DnsServer ===

impl DnsServer {
    /// Starts a server without records, on the runtime of the caller.
    pub async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let addr = socket.local_addr().unwrap();
        let zone: Arc<Zone> = Arc::default();
        let mut serving = JoinSet::new();
        let served = Arc::clone(&zone);
        serving.spawn(async move {
            // It ends with the socket.
            let _ = served.serve(&socket).await;
        });
        Self {
            addr,
            zone,
            _serving: serving,
        }
    }

    /// Adds the name of an address (PTR).
    pub fn add_pointer(&self, addr: &str, name: &str) {
        let reverse = reverse_name(addr.parse().unwrap());
        self.zone.add(&reverse, Record::Pointer(name.to_owned()));
    }

    /// Adds an address of a name (A or AAAA).
    pub fn add_addr(&self, name: &str, addr: &str) {
        self.zone.add(name, Record::Addr(addr.parse().unwrap()));
    }

    /// Sets whether queries are left without an answer, as those to a server that is down.
    pub fn set_silent(&self, is_silent: bool) {
        self.zone.is_silent.store(is_silent, SeqCst);
    }

    /// The names that were queried so far, in lower case, with those that were not answered.
    pub fn asked(&self) -> Vec<String> {
        self.zone.asked.lock().unwrap().clone()
    }

    /// The listening address.
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }
}

// === impl Zone ===

impl Zone {
    fn add(&self, name: &str, record: Record) {
        let mut records = self.records.lock().unwrap();
        let of_name = records.entry(name.to_ascii_lowercase());
        of_name.or_default().push(record);
    }

    async fn serve(&self, socket: &UdpSocket) -> io::Result<()> {
        let mut query = [0; 512];
        loop {
            let (len, from) = socket.recv_from(&mut query).await?;
            let Some(answer) = self.answer(&query[..len]) else {
                continue;
            };
            if !self.is_silent.load(SeqCst) {
                socket.send_to(&answer, from).await?;
            }
        }
    }

    /// Answers the question of a query (RFC 1035, section 4.1). `None` if it has no readable one.
    fn answer(&self, query: &[u8]) -> Option<Vec<u8>> {
        let (name, end) = read_name(query)?;
        let question = query.get(HEADER..end.checked_add(4)?)?;
        let kind = u16::from_be_bytes([*query.get(end)?, *query.get(end + 1)?]);
        self.asked.lock().unwrap().push(name.clone());
        let records = self.records.lock().unwrap();
        let records = records.get(&name);
        let data: Vec<_> = records
            .into_iter()
            .flatten()
            .filter_map(|record| record.data(kind))
            .collect();
        let mut answer = query.get(..2)?.to_vec();
        // A response, with recursion; NXDOMAIN without records of any kind.
        answer.extend([0x81, if records.is_some() { 0x80 } else { 0x83 }]);
        for count in [1, u16::try_from(data.len()).ok()?, 0, 0] {
            answer.extend(count.to_be_bytes());
        }
        answer.extend(question);
        for data in data {
            // The name of the question, its kind, class IN, and a lifetime of a minute.
            answer.extend([0xc0, u8::try_from(HEADER).ok()?]);
            answer.extend(kind.to_be_bytes());
            answer.extend([0, 1, 0, 0, 0, 60]);
            answer.extend(u16::try_from(data.len()).ok()?.to_be_bytes());
            answer.extend(data);
        }
        Some(answer)
    }
}

// === impl Record ===

impl Record {
    fn data(&self, kind: u16) -> Option<Vec<u8>> {
        match (self, kind) {
            (Self::Addr(IpAddr::V4(addr)), A) => Some(addr.octets().to_vec()),
            (Self::Addr(IpAddr::V6(addr)), AAAA) => Some(addr.octets().to_vec()),
            (Self::Pointer(name), PTR) => {
                let labels = name.split('.').flat_map(|label| {
                    let len = u8::try_from(label.len()).unwrap();
                    std::iter::once(len).chain(label.bytes())
                });
                Some(labels.chain([0]).collect())
            }
            _ => None,
        }
    }
}

/// Returns the name of the question, in lower case, and the index behind it.
fn read_name(query: &[u8]) -> Option<(String, usize)> {
    let (mut labels, mut at) = (Vec::new(), HEADER);
    loop {
        let len = usize::from(*query.get(at)?);
        let start = at + 1;
        at = start + len;
        if len == 0 {
            return Some((labels.join("."), at));
        }
        let label = String::from_utf8_lossy(query.get(start..at)?);
        labels.push(label.to_ascii_lowercase());
    }
}

fn reverse_name(addr: IpAddr) -> String {
    let (labels, zone): (Vec<_>, _) = match addr {
        IpAddr::V4(addr) => {
            let octets = addr.octets();
            (octets.map(|octet| octet.to_string()).to_vec(), "in-addr")
        }
        IpAddr::V6(addr) => {
            let digits = format!("{:032x}", addr.to_bits());
            (digits.chars().map(String::from).collect(), "ip6")
        }
    };
    let labels: Vec<_> = labels.into_iter().rev().collect();
    format!("{}.{zone}.arpa", labels.join("."))
}
