//! Certificates change under load, and no call fails.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use stateward_tests::certificates::{Authority, SecretMount};
use stateward_tests::client::{Connection, Endpoint, Protocol};
use stateward_tests::root;
use stateward_tests::server::{Serve, text};

#[tokio::test(flavor = "multi_thread")]
async fn renews_by_link_under_load_without_a_failed_call() {
    let authority = Authority::new().unwrap();
    let (first, second) = (authority.issue(1).unwrap(), authority.issue(2).unwrap());
    let mut mount = SecretMount::new(&[("tls.crt", &first.chain), ("tls.key", &first.key)]).unwrap();
    let ca = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(ca.path(), &authority.pem).unwrap();
    let serve = Serve::start(&["--tls-dir", mount.path().to_str().unwrap()]).unwrap();
    let endpoint = Endpoint::new(serve.address, ca.path()).unwrap();

    let (stop, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let clients: Vec<_> = [Protocol::Http1, Protocol::Http1, Protocol::Http2, Protocol::Http2]
        .into_iter()
        .map(|protocol| tokio::spawn(call_until(endpoint.clone(), protocol, Arc::clone(&stop), Arc::clone(&calls))))
        .collect();

    more_calls(&calls, 200).await;
    mount.renew(&[("tls.crt", &second.chain), ("tls.key", &second.key)]).unwrap();
    until(async || serial(&endpoint).await == 2).await;
    more_calls(&calls, 200).await;

    // A key that is not the certificate's: the former pair stays in force.
    mount.renew(&[("tls.crt", &first.chain), ("tls.key", &second.key)]).unwrap();
    until(async || serve.metric(r#"stateward_certificate_reloads_total{outcome="failed"}"#) > 0.0).await;
    assert_eq!(serial(&endpoint).await, 2);
    let complaint = serve.logged("certificate not reloaded, the former one stays in force").unwrap();
    assert!(text(&complaint, "error").contains("hint: both must come from the same issue"), "{complaint}");

    stop.store(true, Relaxed);
    let mut serials = BTreeSet::new();
    for client in clients {
        serials.extend(client.await.unwrap().unwrap());
    }
    assert_eq!(serials, BTreeSet::from([1, 2]));
}

#[tokio::test(flavor = "multi_thread")]
async fn follows_the_folder_when_it_is_a_link_itself() {
    let authority = Authority::new().unwrap();
    let home = tempfile::tempdir().unwrap();
    for serial in [1, 2] {
        let leaf = authority.issue(serial).unwrap();
        let folder = home.path().join(serial.to_string());
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("tls.crt"), leaf.chain).unwrap();
        std::fs::write(folder.join("tls.key"), leaf.key).unwrap();
    }
    let (ca, current, next) =
        (home.path().join("authority.pem"), home.path().join("current"), home.path().join("next"));
    std::fs::write(&ca, &authority.pem).unwrap();
    std::os::unix::fs::symlink("1", &current).unwrap();
    let serve = Serve::start_unready(&["--tls-dir", current.to_str().unwrap()]).unwrap();
    let endpoint = Endpoint::new(serve.address, &ca).unwrap();
    assert_eq!(serial(&endpoint).await, 1);
    std::os::unix::fs::symlink("2", &next).unwrap();
    std::fs::rename(&next, &current).unwrap();
    until(async || serial(&endpoint).await == 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_client_certificates_where_there_is_an_authority_for_them() {
    let (authority, others) = (Authority::new().unwrap(), Authority::new().unwrap());
    let server = authority.issue(1).unwrap();
    let files =
        [("tls.crt", server.chain.as_str()), ("tls.key", server.key.as_str()), ("ca.crt", authority.pem.as_str())];
    let mount = SecretMount::new(&files).unwrap();
    let ca = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(ca.path(), &authority.pem).unwrap();
    let serve = Serve::start(&["--tls-dir", mount.path().to_str().unwrap()]).unwrap();

    let (ours, theirs) = (authority.issue(7).unwrap(), others.issue(8).unwrap());
    let with = |own| Endpoint::with_client_certificate(serve.address, ca.path(), own).unwrap();
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let answer =
            with(Some((ours.chain.as_str(), ours.key.as_str()))).post(protocol, "/mutate", review()).await.unwrap();
        assert_eq!(answer.status, 200);
        assert!(with(None).post(protocol, "/mutate", review()).await.is_err(), "no certificate");
        assert!(
            with(Some((&theirs.chain, &theirs.key))).post(protocol, "/mutate", review()).await.is_err(),
            "another authority's"
        );
    }
    // With TLS 1.3 the client is through before the server has looked at its certificate.
    let failures = || serve.metric(r#"stateward_handshake_failures_total{cause="tls"}"#);
    serve.until("four failures", || failures() >= 4.0).unwrap();
    assert_eq!(failures(), 4.0);
}

/// Every other call on a new connection; answers the serial numbers seen.
async fn call_until(
    endpoint: Endpoint,
    protocol: Protocol,
    stop: Arc<AtomicBool>,
    calls: Arc<AtomicU32>,
) -> anyhow::Result<BTreeSet<u64>> {
    let mut serials = BTreeSet::new();
    let mut kept = endpoint.connect(protocol).await?;
    while !stop.load(Relaxed) {
        let answer = kept.post("/validate/fail?timeout=5s", review()).await?;
        anyhow::ensure!(answer.status == 200, "{answer:?}");
        let mut fresh = endpoint.connect(protocol).await?;
        let answer = fresh.post("/validate/fail?timeout=5s", review()).await?;
        anyhow::ensure!(answer.status == 200, "{answer:?}");
        serials.insert(serial_of(&fresh));
        calls.fetch_add(2, Relaxed);
    }
    Ok(serials)
}

async fn serial(endpoint: &Endpoint) -> u64 {
    serial_of(&endpoint.connect(Protocol::Http1).await.unwrap())
}

fn serial_of(connection: &Connection) -> u64 {
    let (_, certificate) = x509_parser::parse_x509_certificate(connection.certificate().unwrap()).unwrap();
    certificate.serial.iter_u64_digits().next().unwrap()
}

fn review() -> Vec<u8> {
    std::fs::read(root().join("tests/cases/reviews/create-statefulsets-apply.json")).unwrap()
}

async fn more_calls(calls: &AtomicU32, more: u32) {
    let goal = calls.load(Relaxed) + more;
    until(async || calls.load(Relaxed) >= goal).await;
}

async fn until(condition: impl AsyncFn() -> bool) {
    let wait = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait).await.unwrap();
}
