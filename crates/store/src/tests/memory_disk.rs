//! A disk in memory that loses power, drops what was not synchronized, tears pages, fills up and stalls.

use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use redb::StorageBackend;

use crate::{
    disk::{Backend, Disk, FolderLock},
    error::FileError,
};

/// The unit that a disk writes as a whole.
const SECTOR: usize = 512;

/// Files in memory.
#[derive(Debug, Default)]
pub(super) struct MemoryDisk {
    files: Mutex<BTreeMap<String, Arc<Mutex<File>>>>,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The accesses until power is lost; 0 for never.
    accesses_left: AtomicU64,
    is_off: Mutex<bool>,
    /// The error of every write.
    fault: Mutex<Option<io::ErrorKind>>,
    /// The time of every synchronization.
    delay: Mutex<Duration>,
}

/// A file: what is on the disk, and what was written since the last synchronization.
#[derive(Debug, Default)]
struct File {
    durable: Vec<u8>,
    current: Vec<u8>,
    writes: Vec<Write>,
}

#[derive(Clone, Debug)]
enum Write {
    Bytes(usize, Vec<u8>),
    Len(usize),
}

#[derive(Debug)]
struct Handle {
    file: Arc<Mutex<File>>,
    state: Arc<State>,
}

/// A sequence of random numbers.
pub(super) struct Rng(pub(super) u64);

// === impl MemoryDisk ===

impl MemoryDisk {
    /// Loses power at the `n`th access from now: it and all later ones fail.
    pub(super) fn lose_power_at(&self, n: u64) {
        self.state.accesses_left.store(n, Ordering::SeqCst);
    }

    /// Lets every write fail, or none.
    pub(super) fn set_fault(&self, fault: Option<io::ErrorKind>) {
        *self.state.fault.lock().unwrap() = fault;
    }

    pub(super) fn set_delay(&self, delay: Duration) {
        *self.state.delay.lock().unwrap() = delay;
    }

    /// Switches the power off, and returns the disk as it is when it is back: of the writes since the last
    /// synchronization, any sectors in any order.
    pub(super) fn after_power_loss(&self, rng: &mut Rng) -> Self {
        *self.state.is_off.lock().unwrap() = true;
        let files = self.files.lock().unwrap();
        let files = files.iter().map(|(name, file)| {
            let content = file.lock().unwrap().after_power_loss(rng);
            let file = File {
                durable: content.clone(),
                current: content,
                writes: Vec::new(),
            };
            (name.clone(), Arc::new(Mutex::new(file)))
        });
        Self {
            files: Mutex::new(files.collect()),
            state: Arc::default(),
        }
    }
}

impl Disk for MemoryDisk {
    fn lock(&self) -> Result<FolderLock, FileError> {
        self.state.access(false)?;
        Ok(FolderLock::none())
    }

    fn open(&self, name: &str) -> Result<Backend, FileError> {
        self.state.access(false)?;
        let mut files = self.files.lock().unwrap();
        let file = files.entry(name.to_owned()).or_default().clone();
        let state = self.state.clone();
        Ok(Backend::new(Handle { file, state }))
    }

    fn move_aside(&self, name: &str, second: u64) -> io::Result<PathBuf> {
        self.state.access(true)?;
        let to = format!("{name}.corrupt-{second}");
        let mut files = self.files.lock().unwrap();
        let file = files.remove(name).unwrap_or_default();
        files.insert(to.clone(), file);
        Ok(to.into())
    }

    fn size(&self, name: &str) -> u64 {
        let files = self.files.lock().unwrap();
        files
            .get(name)
            .map_or(0, |file| file.lock().unwrap().current.len() as u64)
    }

    fn holds(&self, name: &str) -> bool {
        self.files.lock().unwrap().contains_key(name)
    }
}

// === impl State ===

impl State {
    fn access(&self, writes: bool) -> io::Result<()> {
        let mut is_off = self.is_off.lock().unwrap();
        let left = self.accesses_left.load(Ordering::SeqCst);
        if left > 0 {
            self.accesses_left.store(left - 1, Ordering::SeqCst);
            *is_off |= left == 1;
        }
        if *is_off {
            return Err(io::Error::other("the power is off"));
        }
        match *self.fault.lock().unwrap() {
            Some(fault) if writes => Err(fault.into()),
            _ => Ok(()),
        }
    }
}

// === impl File ===

impl File {
    fn write(&mut self, write: Write) {
        write.apply(&mut self.current);
        self.writes.push(write);
    }

    fn after_power_loss(&mut self, rng: &mut Rng) -> Vec<u8> {
        let mut content = self.durable.clone();
        let mut writes = std::mem::take(&mut self.writes);
        for nth in 0..writes.len() {
            writes.swap(nth, rng.below(nth + 1));
        }
        let longest = writes.iter().filter_map(|write| match write {
            Write::Len(len) => Some(*len),
            Write::Bytes(..) => None,
        });
        if let Some(len) = longest.max().filter(|_| rng.below(2) == 0) {
            Write::Len(len.max(content.len())).apply(&mut content);
        }
        for write in writes {
            if let Write::Bytes(at, bytes) = write {
                // Lost, whole, or any of its sectors.
                let kept = rng.below(3);
                for (nth, sector) in bytes.chunks(SECTOR).enumerate() {
                    let is_kept = kept == 1 || kept == 2 && rng.below(2) == 0;
                    let end = at + nth * SECTOR + sector.len();
                    if is_kept && end <= content.len() {
                        Write::Bytes(end - sector.len(), sector.to_vec()).apply(&mut content);
                    }
                }
            }
        }
        content
    }
}

impl Write {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Bytes(at, bytes) => content[*at..at + bytes.len()].copy_from_slice(bytes),
            Self::Len(len) => content.resize(*len, 0),
        }
    }
}

// === impl Handle ===

impl StorageBackend for Handle {
    fn len(&self) -> io::Result<u64> {
        self.state.access(false)?;
        Ok(self.file.lock().unwrap().current.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.state.access(false)?;
        let file = self.file.lock().unwrap();
        let at = usize::try_from(offset).unwrap();
        let bytes = file.current.get(at..at + out.len());
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.state.access(true)?;
        let len = usize::try_from(len).unwrap();
        self.file.lock().unwrap().write(Write::Len(len));
        Ok(())
    }

    #[expect(clippy::disallowed_methods, reason = "a disk that stalls")]
    fn sync_data(&self) -> io::Result<()> {
        let delay = *self.state.delay.lock().unwrap();
        thread::sleep(delay);
        self.state.access(true)?;
        let mut file = self.file.lock().unwrap();
        file.durable = file.current.clone();
        file.writes.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.state.access(true)?;
        let at = usize::try_from(offset).unwrap();
        self.file
            .lock()
            .unwrap()
            .write(Write::Bytes(at, data.to_vec()));
        Ok(())
    }
}

// === impl Rng ===

impl Rng {
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}
