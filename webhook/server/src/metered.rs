//! Times every call of a component: the verdict does not say what its parts cost.

use std::sync::Arc;

use stateward_core::evaluate::{Call, Evaluate, Evaluated, Judgement, Outcome};
use stateward_core::inventory::BoxFuture;
use stateward_core::policy::Policy;
use stateward_core::policy_set::PolicySet;
use stateward_core::request::Request;

use crate::metrics::{ComponentMetrics, Metrics};

/// The same policies, timed.
pub(crate) fn policies(set: PolicySet, metrics: &Metrics) -> PolicySet {
    let timed = |policy: &Policy| {
        let mut policy = policy.clone();
        let metrics = metrics.component(&policy.component.reference);
        policy.component.code = Arc::new(Metered { code: policy.component.code, metrics });
        policy
    };
    // What could be joined once can be joined again; if not, untimed policies are better than none.
    PolicySet::new(set.policies().iter().map(timed).collect(), set.exemptions().to_vec()).unwrap_or(set)
}

struct Metered {
    code: Arc<dyn Evaluate>,
    metrics: ComponentMetrics,
}

impl Evaluate for Metered {
    fn validate<'a>(&'a self, call: &'a Call<'a>, request: &'a Request<'a>) -> BoxFuture<'a, Evaluated<Vec<Judgement>>> {
        Box::pin(async move { self.observed(self.code.validate(call, request).await) })
    }

    fn mutate<'a>(&'a self, call: &'a Call<'a>, request: &'a Request<'a>) -> BoxFuture<'a, Evaluated<Outcome>> {
        Box::pin(async move { self.observed(self.code.mutate(call, request).await) })
    }
}

impl Metered {
    fn observed<T>(&self, evaluated: Evaluated<T>) -> Evaluated<T> {
        self.metrics.observe(evaluated.queued, evaluated.ran);
        evaluated
    }
}
