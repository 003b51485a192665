//! Makes authorities and certificates, and carries out what [`super::plan`] decided.

use std::time::Duration;

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};

use super::Names;
use super::authority::{Authority, Certificate, KeyPem};
use super::plan::{Change, Terms, after};
use super::secret::{Leaf, Stored};

/// `notBefore` lies this far in the past: the API server's clock may be behind ours.
pub(crate) const CLOCK_SKEW: Duration = Duration::from_secs(5 * 60);

/// So many authorities at most are trusted beside the two that we use, whatever was put into the Secret.
const MOST_OLD: usize = 6;

/// A certificate could not be made.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// By the library; a host name that is not ASCII, for one.
    #[error("could not make a certificate for {names}")]
    Generate {
        /// What it was to be good for.
        names: String,
        /// Why.
        source: rcgen::Error,
    },
    /// The plan asks for what is not there.
    #[error("no authority with a key to sign with")]
    NoAuthority,
}

impl Stored {
    /// What the Secret is to hold after the change. `served_by` signed what we serve.
    pub(crate) fn changed(
        &self,
        change: Change,
        names: &Names,
        served_by: Option<&Certificate>,
        terms: &Terms,
        now: Timestamp,
    ) -> Result<Self, IssueError> {
        let mut stored = self.clone();
        match change {
            Change::Begin => {
                let former = [stored.current.take(), stored.next.take()].into_iter().flatten();
                let former = former.map(|authority| authority.certificate).chain(served_by.cloned());
                stored.retire(former.collect(), now);
                stored.current = Some(authority(terms, now)?);
                stored.leaf = Some(stored.issue(names, terms, now)?);
            }
            Change::Issue => stored.leaf = Some(stored.issue(names, terms, now)?),
            Change::Introduce => stored.next = Some(authority(terms, now)?),
            Change::Promote => {
                let former = stored.current.take().map(|authority| authority.certificate);
                stored.retire(former.into_iter().collect(), now);
                stored.current = stored.next.take();
                stored.leaf = Some(stored.issue(names, terms, now)?);
            }
            Change::DropOld => stored.old.clear(),
        }
        Ok(stored)
    }

    fn issue(&self, names: &Names, terms: &Terms, now: Timestamp) -> Result<Leaf, IssueError> {
        self.current.as_ref().ok_or(IssueError::NoAuthority).and_then(|by| leaf(by, names, terms, now))
    }

    /// They are trusted for some more time: a replica may still serve what they signed.
    fn retire(&mut self, former: Vec<Certificate>, now: Timestamp) {
        self.old.extend(former);
        self.old.retain(|certificate| now < certificate.not_after);
        self.old.sort_by_key(|certificate| (std::cmp::Reverse(certificate.not_before), certificate.fingerprint));
        self.old.dedup_by_key(|certificate| certificate.fingerprint);
        self.old.truncate(MOST_OLD);
    }
}

/// A new authority, valid from now.
fn authority(terms: &Terms, now: Timestamp) -> Result<Authority, IssueError> {
    // Its own name each: a client that looks for the issuer by name finds the right one at once.
    let name = format!("stateward authority {now:.0}");
    let failed = |source| IssueError::Generate { names: format!("`{name}`"), source };
    let key = KeyPair::generate().map_err(failed)?;
    let mut params = params(&name, now, after(now, terms.authority));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let pem = params.self_signed(&key).map_err(failed)?.pem();
    let certificate =
        Certificate::read_authority(&pem).ok_or_else(|| failed(rcgen::Error::CouldNotParseCertificate))?;
    Ok(Authority { certificate, key: Some(KeyPem::new(key.serialize_pem())) })
}

fn leaf(by: &Authority, names: &Names, terms: &Terms, now: Timestamp) -> Result<Leaf, IssueError> {
    let failed = |source| IssueError::Generate { names: names.to_string(), source };
    let signer = by.key.as_ref().ok_or(IssueError::NoAuthority)?;
    let signer = KeyPair::from_pem(signer.as_str()).map_err(failed)?;
    let issuer = Issuer::from_ca_cert_pem(&by.certificate.pem, signer).map_err(failed)?;
    let key = KeyPair::generate().map_err(failed)?;
    // A leaf that outlives its authority is no good to anybody.
    let mut params = params("stateward", now, after(now, terms.leaf).min(by.certificate.not_after));
    params.subject_alt_names =
        CertificateParams::new(names.all().cloned().collect::<Vec<_>>()).map_err(failed)?.subject_alt_names;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let chain = params.signed_by(&key, &issuer).map_err(failed)?.pem();
    Leaf::read(&chain, &key.serialize_pem()).ok_or_else(|| failed(rcgen::Error::CouldNotParseCertificate))
}

fn params(common_name: &str, now: Timestamp, not_after: Timestamp) -> CertificateParams {
    let at = |time: Timestamp| {
        let seconds = Duration::from_secs(u64::try_from(time.as_second()).unwrap_or_default());
        date_time_ymd(1970, 1, 1) + seconds
    };
    let mut params = CertificateParams::default();
    params.not_before = at(now) - CLOCK_SKEW;
    params.not_after = at(not_after);
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}
