//! Options of active health checks.

use std::time::Duration;

use http::uri::PathAndQuery;

/// An active health check: a `GET` on a new connection, healthy if the status is 2xx or 3xx.
///
/// An upstream that fails several in a row gets no requests until several in a row succeed. If all fail, all are
/// used.
///
/// ```
/// use std::time::Duration;
///
/// use gabion_proxy::HealthCheck;
///
/// let check = HealthCheck::new("/health?deep=1")?;
/// assert_eq!((check.interval(), check.timeout()), (Duration::from_secs(5), Duration::from_secs(2)));
/// assert_eq!((check.unhealthy_after(), check.healthy_after()), (3, 2));
///
/// assert!(HealthCheck::new("health").is_err());
/// # Ok::<(), gabion_proxy::HealthCheckError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    path: PathAndQuery,
    interval: Duration,
    timeout: Duration,
    unhealthy_after: u32,
    healthy_after: u32,
}

/// The path of a [`HealthCheck`] is invalid.
#[derive(Debug, thiserror::Error)]
#[error("invalid path of a health check `{given}`: write a path such as `/health`")]
pub struct HealthCheckError {
    given: String,
}

// === impl HealthCheck ===

impl HealthCheck {
    /// Creates a check of `path`, which may have a query.
    ///
    /// # Errors
    ///
    /// Fails if `path` does not begin with `/` or has characters that a request target cannot have.
    pub fn new(path: &str) -> Result<Self, HealthCheckError> {
        let parsed = path.parse().ok().filter(|_| path.starts_with('/'));
        let path = parsed.ok_or_else(|| HealthCheckError {
            given: path.to_owned(),
        })?;
        Ok(Self {
            path,
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(2),
            unhealthy_after: 3,
            healthy_after: 2,
        })
    }

    /// Sets the time between two checks of an upstream: 5 s by default.
    pub fn with_interval(self, interval: Duration) -> Self {
        Self { interval, ..self }
    }

    /// Sets the time a check may take: 2 s by default.
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Sets the number of checks in a row after which an upstream counts as unhealthy, and as healthy again: 3 and
    /// 2 by default, at least 1.
    pub fn with_thresholds(self, unhealthy_after: u32, healthy_after: u32) -> Self {
        Self {
            unhealthy_after: unhealthy_after.max(1),
            healthy_after: healthy_after.max(1),
            ..self
        }
    }

    /// Returns the path with its query.
    pub const fn path(&self) -> &PathAndQuery {
        &self.path
    }

    /// Returns the time between two checks.
    pub const fn interval(&self) -> Duration {
        self.interval
    }

    /// Returns the time a check may take.
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Returns the number of failed checks after which an upstream is unhealthy.
    pub const fn unhealthy_after(&self) -> u32 {
        self.unhealthy_after
    }

    /// Returns the number of successful checks after which an upstream is healthy again.
    pub const fn healthy_after(&self) -> u32 {
        self.healthy_after
    }
}
