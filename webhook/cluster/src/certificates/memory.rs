//! What one replica has seen of the Secret: the certificate that it serves, and whom to trust.
//!
//! Whatever happens to the Secret, a replica goes on with what it has until what it reads is at least as good.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::authority::{Certificate, Fingerprint};
use super::plan::Terms;
use super::secret::{Leaf, Stored};
use super::{CaBundle, Names, ServingCertificate};

#[derive(Debug, Default)]
pub(crate) struct Memory {
    serving: Option<Arc<ServingCertificate>>,
    seen: BTreeMap<Fingerprint, Seen>,
}

#[derive(Debug)]
struct Seen {
    authority: Certificate,
    /// Since when it is in the Secret without a break; `None` when it no longer is.
    since: Option<Instant>,
    last: Instant,
}

impl Memory {
    pub(crate) fn serving(&self) -> Option<&Arc<ServingCertificate>> {
        self.serving.as_ref()
    }

    /// Takes note of what the Secret holds now; after how long to look at the same again, where time alone may change something.
    pub(crate) fn see(
        &mut self,
        stored: &Stored,
        names: &Names,
        terms: &Terms,
        now: Timestamp,
        clock: Instant,
    ) -> Option<Duration> {
        for seen in self.seen.values_mut() {
            if !stored.authorities().any(|authority| *authority == seen.authority) {
                // Until now it was there, as far as we know.
                if seen.since.take().is_some() {
                    seen.last = clock;
                }
            }
        }
        for authority in stored.authorities() {
            let new = || Seen { authority: authority.clone(), since: None, last: clock };
            let seen = self.seen.entry(authority.fingerprint).or_insert_with(new);
            seen.since.get_or_insert(clock);
            seen.last = clock;
        }
        // One that is gone from the Secret is trusted for the overlap all the same: others may still serve what it signed.
        self.seen.retain(|_, seen| clock.saturating_duration_since(seen.last) <= terms.overlap);

        let (leaf, issuer) = usable(stored, names, now)?;
        let wait = self.wait_before(leaf, issuer, names, terms, now, clock);
        if wait.is_zero() {
            self.serve(leaf, issuer, clock);
        }
        Some(wait).filter(|wait| !wait.is_zero())
    }

    /// Who is to be trusted. `None` only as long as nothing was ever seen.
    pub(crate) fn bundle(&self, now: Timestamp) -> Option<CaBundle> {
        let seen = self.seen.values().map(|seen| &seen.authority);
        let seen = seen.chain(self.serving.as_deref().map(|serving| &serving.issuer));
        CaBundle::of(seen.filter(|authority| now < authority.not_after).cloned())
    }

    /// How long to go on with what is served. Usually not at all: the leader waited before it issued. But a Secret that was edited, restored or deleted
    /// and made anew has an authority that the API servers have not been told of yet.
    fn wait_before(
        &self,
        leaf: &Leaf,
        issuer: &Certificate,
        names: &Names,
        terms: &Terms,
        now: Timestamp,
        clock: Instant,
    ) -> Duration {
        let good = |serving: &&Arc<ServingCertificate>| {
            let valid = serving.certificate.is_valid_at(now) && serving.issuer.is_valid_at(now);
            valid && names.service_is_in(&serving.certificate.names)
        };
        match self.serving.as_ref().filter(good) {
            Some(serving) if serving.certificate != leaf.certificate && serving.issuer != *issuer => {
                let since = self.seen.get(&issuer.fingerprint).and_then(|seen| seen.since).unwrap_or(clock);
                terms.propagation.saturating_sub(clock.saturating_duration_since(since))
            }
            _ => Duration::ZERO,
        }
    }

    fn serve(&mut self, leaf: &Leaf, issuer: &Certificate, clock: Instant) {
        let serving = ServingCertificate {
            chain_pem: leaf.chain_pem.clone(),
            key_pem: leaf.key.clone(),
            expires: leaf.certificate.not_after,
            authority_expires: issuer.not_after,
            certificate: leaf.certificate.clone(),
            issuer: issuer.clone(),
        };
        if self.serving.as_deref() == Some(&serving) {
            return;
        }
        if let Some(former) = self.serving.replace(Arc::new(serving)) {
            // The other replicas may change over later than we.
            let authority = former.issuer.clone();
            let new = Seen { authority, since: None, last: clock };
            self.seen.entry(former.issuer.fingerprint).or_insert(new).last = clock;
        }
    }
}

fn usable<'s>(stored: &'s Stored, names: &Names, now: Timestamp) -> Option<(&'s Leaf, &'s Certificate)> {
    let leaf = stored.leaf.as_ref().filter(|leaf| leaf.certificate.is_valid_at(now))?;
    let issuer = stored.issuer().filter(|issuer| issuer.is_valid_at(now))?;
    names.service_is_in(&leaf.certificate.names).then_some((leaf, issuer))
}
