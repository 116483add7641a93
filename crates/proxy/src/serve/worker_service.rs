//! The service of a worker, which can be replaced while connections use it.

use std::{
    cell::RefCell,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicUsize,
            Ordering::{Acquire, Release},
        },
    },
};

use hyper::service::Service;
use hyper_util::service::TowerToHyperService;

/// The service of a worker. Clones are handles on the same one.
#[derive(Debug)]
pub(super) struct WorkerService<S>(Arc<Shared<S>>);

#[derive(Debug)]
struct Shared<S> {
    /// The number of times that the service was replaced.
    version: AtomicUsize,
    /// Locked by a connection once at its start, and once after each replacement.
    current: Mutex<S>,
}

/// A connection's copy of the service of its worker.
///
/// # Cost
///
/// An atomic load for each request. The lock of the worker's service is taken by the first request after a
/// replacement only.
#[derive(Debug)]
pub(super) struct ServiceCopy<S> {
    worker: WorkerService<S>,
    copy: RefCell<Copy<S>>,
}

#[derive(Debug)]
struct Copy<S> {
    version: usize,
    service: TowerToHyperService<S>,
}

// === impl WorkerService ===

impl<S> WorkerService<S> {
    pub(super) fn new(service: S) -> Self {
        Self(Arc::new(Shared {
            version: AtomicUsize::new(0),
            current: Mutex::new(service),
        }))
    }

    /// Replaces the service for all later requests, also of open connections.
    pub(super) fn replace(&self, service: S) {
        let mut current = self.current();
        let old = std::mem::replace(&mut *current, service);
        // Under the lock, so that no version has the service of another one.
        self.0.version.fetch_add(1, Release);
        drop(current);
        drop(old);
    }

    /// A panic under this lock could only come from the clone of a service, which leaves it unchanged.
    fn current(&self) -> MutexGuard<'_, S> {
        self.0
            .current
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Clone> WorkerService<S> {
    pub(super) fn into_copy(self) -> ServiceCopy<S> {
        let copy = RefCell::new(self.copy());
        ServiceCopy { worker: self, copy }
    }

    fn copy(&self) -> Copy<S> {
        let current = self.current();
        Copy {
            version: self.0.version.load(Acquire),
            service: TowerToHyperService::new(current.clone()),
        }
    }
}

impl<S> Clone for WorkerService<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

// === impl ServiceCopy ===

impl<S: Clone> ServiceCopy<S> {
    /// Calls the current service of the worker.
    pub(super) fn call<R>(&self, request: R) -> <TowerToHyperService<S> as Service<R>>::Future
    where
        TowerToHyperService<S>: Service<R>,
    {
        let mut copy = self.copy.borrow_mut();
        if copy.version != self.worker.0.version.load(Acquire) {
            *copy = self.worker.copy();
        }
        copy.service.call(request)
    }
}
