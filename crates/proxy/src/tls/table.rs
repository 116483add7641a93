//! The selection of a certificate by name.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use tokio_rustls::rustls::sign::CertifiedKey;

/// An immutable version of all certificates.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// By name in lower case; wildcards begin with `*.`. A name without a certificate has none yet.
    by_name: HashMap<String, Option<Arc<CertifiedKey>>>,
    default: Option<Arc<CertifiedKey>>,
}

// === impl Table ===

impl Table {
    /// Creates a table of certificates that serve the names in them, and of those that were issued for a name. The
    /// first one is the default.
    pub(super) fn new<'r>(
        loaded: impl IntoIterator<Item = &'r Arc<CertifiedKey>>,
        issued: &BTreeMap<String, Option<Arc<CertifiedKey>>>,
    ) -> Self {
        let mut table = Self::default();
        for certified in loaded {
            for name in dns_names(certified) {
                let served = || Some(Arc::clone(certified));
                table.by_name.entry(name).or_insert_with(served);
            }
            table.default.get_or_insert_with(|| Arc::clone(certified));
        }
        for (name, certified) in issued {
            let served = || certified.clone();
            table.by_name.entry(name.clone()).or_insert_with(served);
            table.default = table.default.or_else(served);
        }
        table
    }

    /// Selects a certificate for a name in lower case, as rustls passes it.
    pub(super) fn select(&self, name: Option<&str>) -> Option<&Arc<CertifiedKey>> {
        let by_name = name.and_then(|name| {
            let exact = self.by_name.get(name);
            exact.or_else(|| {
                let (_, parent) = name.split_once('.')?;
                self.by_name.get(&format!("*.{parent}"))
            })
        });
        by_name.unwrap_or(&self.default).as_ref()
    }
}

/// The DNS names of a certificate, in lower case.
fn dns_names(certified: &CertifiedKey) -> Vec<String> {
    let certificate = certified.end_entity_cert().ok();
    let parsed =
        certificate.and_then(|certificate| webpki::EndEntityCert::try_from(certificate).ok());
    let names = parsed.iter().flat_map(|parsed| parsed.valid_dns_names());
    names.map(str::to_ascii_lowercase).collect()
}
