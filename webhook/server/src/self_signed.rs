//! A certificate for trying things out: a fresh authority and a leaf for this host, gone with the process.

use std::path::PathBuf;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use tempfile::TempDir;

use crate::tls::TlsError;

/// A fresh authority's leaf. The authority's key is not kept.
pub(crate) struct SelfSigned {
    /// `tls.crt`
    pub(crate) chain: String,
    /// `tls.key`
    pub(crate) key: String,
    /// What a client must trust.
    pub(crate) ca: CaFile,
}

/// The authority's certificate in a directory that only our user can read, removed with it.
pub(crate) struct CaFile {
    directory: TempDir,
}

impl CaFile {
    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("ca.crt")
    }
}

impl SelfSigned {
    pub(crate) fn generate() -> Result<Self, TlsError> {
        let ca_key = KeyPair::generate()?;
        let mut ca = params(&[], "stateward self-signed CA")?;
        ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let ca_pem = ca.self_signed(&ca_key)?.pem();

        let key = KeyPair::generate()?;
        let mut leaf = params(&["localhost", "127.0.0.1", "::1"], "stateward")?;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf.use_authority_key_identifier_extension = true;
        let chain = leaf.signed_by(&key, &Issuer::new(ca, ca_key))?.pem();

        let directory = tempfile::Builder::new().prefix("stateward-").tempdir();
        let directory = directory.map_err(|source| TlsError::Write { path: std::env::temp_dir(), source })?;
        let ca = CaFile { directory };
        std::fs::write(ca.path(), ca_pem).map_err(|source| TlsError::Write { path: ca.path(), source })?;
        Ok(Self { chain, key: key.serialize_pem(), ca })
    }
}

/// Valid from yesterday, whatever the two clocks say, for a year.
fn params(names: &[&str], common_name: &str) -> Result<CertificateParams, TlsError> {
    let names: Vec<String> = names.iter().copied().map(str::to_owned).collect();
    let mut params = CertificateParams::new(names)?;
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let at = |date: jiff::civil::Date| {
        date_time_ymd(date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs())
    };
    params.not_before = at(today.saturating_sub(1.day()));
    params.not_after = at(today.saturating_add(1.year()));
    params.distinguished_name.push(DnType::CommonName, common_name);
    Ok(params)
}
