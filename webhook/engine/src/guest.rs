//! A loaded component, ready to be called. Once per request: a permit, a fresh instance, one call, and the instance is gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use stateward_core::evaluate::{Call, Evaluate, EvaluateError, Evaluated, Judgement, Limits, Outcome};
use stateward_core::inventory::BoxFuture;
use stateward_core::manifest::Manifest;
use stateward_core::request::Request;
use wasmtime::Store;

use crate::answer;
use crate::bindings::{Policy, PolicyPre};
use crate::clock::{FIRST_TURN_TICKS, GuestClock};
use crate::convert::{self, UserLists};
use crate::failure;
use crate::host::{Declared, Host};
use crate::lane::SlowLane;
use crate::log::LogBudget;
use crate::memory::MemoryBudget;
use crate::permits::Permits;
use crate::room::Share;
use crate::settings::SettingsSchema;
use crate::text;
use crate::ticker::Ticker;

/// A component's code with everything that does not depend on a request.
pub(crate) struct Code {
    pub(crate) pre: PolicyPre<Host>,
    pub(crate) ticker: Arc<Ticker>,
    pub(crate) lane: Arc<SlowLane>,
    pub(crate) permits: Permits,
    /// Slots for as many instances as there are permits. Declared last: freed when nothing runs any more.
    pub(crate) _share: Share,
}

/// A component that has described itself.
pub(crate) struct Guest {
    pub(crate) code: Code,
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) declared: Arc<Declared>,
    pub(crate) schema: SettingsSchema,
    pub(crate) evaluations: AtomicU64,
}

/// The bounds of one call, and what it is for.
pub(crate) struct Bounds {
    pub(crate) policy: String,
    pub(crate) limits: Limits,
    pub(crate) deadline: Instant,
    /// Bytes that may be lifted out of the guest at once.
    pub(crate) answer_limit: usize,
}

impl Evaluate for Guest {
    fn validate<'a>(
        &'a self,
        call: &'a Call<'a>,
        request: &'a Request<'a>,
    ) -> BoxFuture<'a, Evaluated<Vec<Judgement>>> {
        Box::pin(async move {
            let lists = UserLists::new(request.user.as_ref());
            let extra = lists.extra(request.user.as_ref());
            let units: Vec<_> = call.units.iter().map(convert::unit).collect();
            let evaluated = self.evaluate(call, request, async |store, guest| {
                let rules = guest.stateward_policy_rules();
                rules.call_validate(store, convert::request(request, &lists, &extra), &units).await
            });
            and_then(evaluated.await, |answer| answer::judgements(&self.manifest, &call.units, answer))
        })
    }

    fn mutate<'a>(&'a self, call: &'a Call<'a>, request: &'a Request<'a>) -> BoxFuture<'a, Evaluated<Outcome>> {
        Box::pin(async move {
            let [unit] = call.units.as_slice() else {
                // Core's own rule, not the guest's fault; but nothing to abort a server for.
                let reason = format!("{} policies in a call that changes", call.units.len());
                return Evaluated {
                    answer: Err(EvaluateError::BadAnswer { reason }),
                    queued: Duration::ZERO,
                    ran: Duration::ZERO,
                };
            };
            let lists = UserLists::new(request.user.as_ref());
            let extra = lists.extra(request.user.as_ref());
            let evaluated = self.evaluate(call, request, async |store, guest| {
                let rules = guest.stateward_policy_rules();
                rules.call_mutate(store, convert::request(request, &lists, &extra), convert::unit(unit)).await
            });
            and_then(evaluated.await, |answer| answer::outcome(&self.manifest, unit, answer))
        })
    }
}

impl Guest {
    async fn evaluate<T>(
        &self,
        call: &Call<'_>,
        request: &Request<'_>,
        ask: impl AsyncFnOnce(&mut Store<Host>, &Policy) -> wasmtime::Result<Result<T, String>>,
    ) -> Evaluated<T> {
        let bounds = Bounds {
            policy: call.policy.to_owned(),
            limits: call.limits,
            deadline: keep_margin(call.deadline),
            answer_limit: answer_limit(request),
        };
        self.evaluations.fetch_add(1, Ordering::Relaxed);
        let evaluated = self.code.run(bounds, Some(Arc::clone(&call.inventory)), &self.declared, ask).await;
        and_then(evaluated, |answer| {
            answer.map_err(|words| EvaluateError::GaveUp { message: text::clean_owned(words, MAX_WORDS_BYTES) })
        })
    }
}

impl Code {
    /// Waits for a permit, makes an instance, asks it, drops it.
    pub(crate) async fn run<T>(
        &self,
        bounds: Bounds,
        inventory: Option<Arc<dyn stateward_core::inventory::Inventory>>,
        declared: &Arc<Declared>,
        ask: impl AsyncFnOnce(&mut Store<Host>, &Policy) -> wasmtime::Result<T>,
    ) -> Evaluated<T> {
        let asked = Instant::now();
        // Held until the store is gone, so that its slot is free for the next one.
        let permit = self.permits.acquire(bounds.deadline).await;
        let started = Instant::now();
        let queued = started - asked;
        let answer = match permit {
            Err(overloaded) => Err(overloaded),
            Ok(_) if started >= bounds.deadline => Err(EvaluateError::DeadlinePassed),
            Ok(_) => {
                let _running = self.ticker.run();
                let mut store = self.store(&bounds, inventory, declared);
                let asking = async {
                    let guest = self.pre.instantiate_async(&mut store).await?;
                    ask(&mut store, &guest).await
                };
                let answer = match tokio::time::timeout_at(bounds.deadline.into(), asking).await {
                    Ok(answer) => {
                        answer.map_err(|error| failure::evaluate_error(&error, bounds.limits, bounds.answer_limit))
                    }
                    Err(_) => Err(EvaluateError::DeadlinePassed),
                };
                store.data().log.finish(&bounds.policy);
                answer
            }
        };
        Evaluated { answer, queued, ran: started.elapsed() }
    }

    fn store(
        &self,
        bounds: &Bounds,
        inventory: Option<Arc<dyn stateward_core::inventory::Inventory>>,
        declared: &Arc<Declared>,
    ) -> Store<Host> {
        let host = Host {
            policy: bounds.policy.clone(),
            inventory,
            declared: Arc::clone(declared),
            clock: GuestClock::start(bounds.limits.timeout, &self.lane),
            memory: MemoryBudget::new(bounds.limits.memory),
            log: LogBudget::new(),
            lookups: 0,
        };
        let mut store = Store::new(self.pre.engine(), host);
        store.limiter(|host| &mut host.memory);
        // Before anything runs: start functions are code too.
        store.set_epoch_deadline(FIRST_TURN_TICKS.into());
        store.epoch_deadline_callback(|store| Ok(store.data().clock.on_tick()?));
        store.set_hostcall_fuel(bounds.answer_limit);
        store
    }
}

fn and_then<T, U>(evaluated: Evaluated<T>, check: impl FnOnce(T) -> Result<U, EvaluateError>) -> Evaluated<U> {
    Evaluated { answer: evaluated.answer.and_then(check), queued: evaluated.queued, ran: evaluated.ran }
}

/// A remedy or a mutation may hold the whole object, old or new.
fn answer_limit(request: &Request<'_>) -> usize {
    let object =
        [&request.object, &request.old_object].into_iter().flatten().map(|object| object.len()).max().unwrap_or(0);
    ANSWER_BYTES.saturating_add(object.saturating_mul(2))
}

/// What is left after an answer is late: to fold, encode and send it.
fn keep_margin(deadline: Instant) -> Instant {
    let left = deadline.saturating_duration_since(Instant::now());
    deadline.checked_sub((left / 10).min(MARGIN)).unwrap_or(deadline)
}

/// A judgement of 75 rules is 20 KiB.
pub(crate) const ANSWER_BYTES: usize = 1 << 20;
/// Folding and encoding take 1 ms on a busy machine; a tenth where the whole time is short.
const MARGIN: Duration = Duration::from_millis(20);
const MAX_WORDS_BYTES: usize = 512;
