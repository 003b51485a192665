//! Certificates for tests, and a folder that is renewed as kubelet renews a mounted Secret.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SerialNumber,
};
use tempfile::TempDir;

/// An authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate.
    pub pem: String,
}

/// A certificate with its key, in PEM.
pub struct Leaf {
    /// `tls.crt`
    pub chain: String,
    /// `tls.key`
    pub key: String,
}

impl Authority {
    /// A new one.
    pub fn new() -> Result<Self> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let pem = params.self_signed(&key)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), pem })
    }

    /// A certificate for this host, and for clients, with this serial number.
    pub fn issue(&self, serial: u64) -> Result<Leaf> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()])?;
        params.serial_number = Some(SerialNumber::from(serial));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let chain = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Leaf { chain, key: key.serialize_pem() })
    }
}

/// A folder as kubelet mounts a Secret: files are links through `..data`, which is a link to a generation's folder.
pub struct SecretMount {
    folder: TempDir,
    generation: u32,
}

impl SecretMount {
    /// With these files.
    pub fn new(files: &[(&str, &str)]) -> Result<Self> {
        let mut mount = Self { folder: tempfile::tempdir()?, generation: 0 };
        mount.renew(files)?;
        for (name, _) in files {
            symlink(Path::new("..data").join(name), mount.folder.path().join(name))?;
        }
        Ok(mount)
    }

    /// Replaces all files in one step, by renaming the link.
    pub fn renew(&mut self, files: &[(&str, &str)]) -> Result<()> {
        self.generation += 1;
        let name = format!("..generation_{}", self.generation);
        let generation = self.path().join(&name);
        fs::create_dir(&generation)?;
        for (name, text) in files {
            fs::write(generation.join(name), text)?;
        }
        let link = self.path().join("..data_tmp");
        symlink(&name, &link)?;
        fs::rename(&link, self.path().join("..data"))?;
        if self.generation > 1 {
            fs::remove_dir_all(self.path().join(format!("..generation_{}", self.generation - 1)))?;
        }
        Ok(())
    }

    /// What is mounted.
    pub fn path(&self) -> PathBuf {
        self.folder.path().to_path_buf()
    }
}
