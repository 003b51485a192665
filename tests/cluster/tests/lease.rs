//! Leader election against a real API server: one leads, another takes over, and never two at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use stateward_cluster::lease::{LEASE, Leadership, Leading, identity, while_leading};
use stateward_cluster_tests::binaries::Program;
use stateward_cluster_tests::{ControlPlane, eventually};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_leads_and_another_takes_over() -> Result<()> {
    let Some(plane) = ControlPlane::start("lease").await? else { return Ok(()) };
    plane.apply(RIGHTS).await?;
    let at_work = AtWork::default();
    let run = || Candidate::run(&plane, "system:serviceaccount:default:stateward", &at_work);
    let mut candidates = vec![run()?, run()?, run()?];

    let first = leader(&candidates, QUICK).await?;
    ensure!(candidates.iter().filter(|candidate| candidate.leading.now()).count() == 1);
    let leases: Api<Lease> = Api::default_namespaced(plane.client()?);
    let holder = leases.get(NAME).await?.spec.unwrap_or_default().holder_identity;
    ensure!(holder.as_ref() == Some(&candidates[first].identity), "{holder:?}");

    // One that ends in order leaves the Lease to the next at once.
    let start = Instant::now();
    let Candidate { shutdown, tasks, .. } = candidates.swap_remove(first);
    ensure!(shutdown.send(()).is_ok());
    for task in tasks {
        task.await?;
    }
    ensure!(at_work.now() == 0, "released before the work had ended");
    let second = leader(&candidates, QUICK).await?;
    println!("took over {} ms after a shutdown", start.elapsed().as_millis());

    // One that dies keeps the others waiting until the Lease is over.
    let start = Instant::now();
    let died = candidates.swap_remove(second);
    died.tasks.iter().for_each(JoinHandle::abort);
    candidates.push(run()?);
    leader(&candidates, LEASE + QUICK).await?;
    println!("took over {} ms after a death", start.elapsed().as_millis());
    ensure!(start.elapsed() + Duration::from_secs(6) > LEASE, "before the Lease was over");

    // Without an API server nobody leads for long; with it, somebody does again.
    let start = Instant::now();
    plane.pause(Program::KubeApiserver)?;
    eventually("nobody leads", LEASE, async || Ok((at_work.now() == 0).then_some(()))).await?;
    println!("gave up {} ms after the API server stood still", start.elapsed().as_millis());
    plane.resume(Program::KubeApiserver)?;
    leader(&candidates, LEASE + QUICK).await?;

    // Deleted by hand: made again, by who leads.
    let third = leader(&candidates, QUICK).await?;
    plane.kubectl(&["delete", "lease", NAME]).await?;
    eventually("the Lease is there again", QUICK, async || Ok(Some(leases.get(NAME).await?))).await?;
    ensure!(leader(&candidates, QUICK).await? == third);

    // Who may not, does not lead; and does not keep the others from it.
    let stranger = Candidate::run(&plane, "stranger", &at_work)?;
    candidates.into_iter().for_each(|candidate| drop(candidate.shutdown));
    eventually("nobody leads", LEASE, async || Ok((at_work.now() == 0).then_some(()))).await?;
    ensure!(!stranger.leading.now());

    ensure!(at_work.most() == 1, "{} led at once", at_work.most());
    plane.passed();
    Ok(())
}

struct Candidate {
    identity: String,
    leading: Leading,
    shutdown: oneshot::Sender<()>,
    tasks: [JoinHandle<()>; 2],
}

impl Candidate {
    fn run(plane: &ControlPlane, user: &str, at_work: &AtWork) -> Result<Self> {
        let identity = identity("pod");
        let (leadership, leading) = Leadership::new(plane.client_as(user, &[])?, "default", NAME, &identity);
        let (shutdown, asked) = oneshot::channel();
        let election = tokio::spawn(leadership.run(async { drop(asked.await) }));
        let (work, led) = (at_work.clone(), leading.clone());
        let work = tokio::spawn(async move { while_leading(&led, || work.clone().work()).await });
        Ok(Self { identity, leading, shutdown, tasks: [election, work] })
    }
}

/// How many work now, and how many ever did at once.
#[derive(Clone, Default)]
struct AtWork(Arc<(AtomicUsize, AtomicUsize)>);

impl AtWork {
    async fn work(self) {
        let now = self.0.0.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.1.fetch_max(now, Ordering::SeqCst);
        let _end = End(self);
        std::future::pending::<()>().await;
    }

    fn now(&self) -> usize {
        self.0.0.load(Ordering::SeqCst)
    }

    fn most(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }
}

struct End(AtWork);

impl Drop for End {
    fn drop(&mut self) {
        self.0.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn leader(candidates: &[Candidate], limit: Duration) -> Result<usize> {
    let leads = async || Ok(candidates.iter().position(|candidate| candidate.leading.now()));
    eventually("somebody leads", limit, leads).await
}

const NAME: &str = "stateward";
const QUICK: Duration = Duration::from_secs(10);

/// No more than `deploy/base` gives.
const RIGHTS: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: { name: leader, namespace: default }
rules:
- { apiGroups: [coordination.k8s.io], resources: [leases], verbs: [create] }
- { apiGroups: [coordination.k8s.io], resources: [leases], resourceNames: [stateward], verbs: [get, update] }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: { name: leader, namespace: default }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: Role, name: leader }
subjects: [{ kind: ServiceAccount, name: stateward, namespace: default }]
";
