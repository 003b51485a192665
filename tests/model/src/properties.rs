//! What must hold in every state, and what must be possible in some.

use stateright::Property;

use crate::guards;
use crate::model::{Contract, Event, Scope};
use crate::objects::{Adoption, Origin, Pod, ROLE, SET, SETS, WRITE};
use crate::world::World;

/// Whatever is late, lost or forged.
pub const ONE_MANAGER: &str = "no two pods of one set may write";
/// Whatever is late, lost or forged.
pub const ROLES_FROM_THE_CONTROLLER: &str = "no pod has a role that the controller did not make or, as a worker, adopt";
/// In a prompt scope: what has not been said yet, of pods that were made or let go, makes a set look as if it had none.
pub const GOVERNED_WITH_A_MANAGER: &str = "a live set with a manager is in the contract";
/// In a prompt scope without sets that are made anew.
pub const THE_FIRST_IS_THE_MANAGER: &str = "a member that was made as a worker does not become the first pod";
/// Where the rule is there that promises it.
pub const ADOPTED_HAVE_A_ROLE: (&str, &str) =
    ("manager-writes/adopted-pod", "a pod that is adopted into a governed set has a role");

/// Must be reached.
pub const A_MANAGER: &str = "a manager runs";

/// All that are meant for a scope.
pub fn all(scope: &Scope) -> Vec<Property<Contract>> {
    let mut all = vec![
        Property::always(ONE_MANAGER, |model: &Contract, world: &World| {
            one_manager(world) || !model.is_first_broken(world)
        }),
        Property::always(ROLES_FROM_THE_CONTROLLER, |model: &Contract, world: &World| {
            roles_from_the_controller(world) || !model.is_first_broken(world)
        }),
        Property::sometimes(A_MANAGER, |_, world: &World| world.pods.iter().any(|pod| pod.may_write())),
        Property::sometimes("a stranger's pod is adopted as a worker", |_, world: &World| {
            world.pods.iter().any(|pod| pod.origin == Origin::Stranger && pod.key(ROLE) == Some("worker"))
        }),
        Property::sometimes(Event::ScaledToZeroAndBack.name(), |model, _| model.saw(Event::ScaledToZeroAndBack)),
        Property::sometimes(Event::StartMoved.name(), |model, _| model.saw(Event::StartMoved)),
        Property::sometimes(Event::KeysPutBack.name(), |model, _| model.saw(Event::KeysPutBack)),
        Property::sometimes(Event::AttackerRefused.name(), |model, _| model.saw(Event::AttackerRefused)),
    ];
    if scope.is_prompt() {
        all.push(Property::always(GOVERNED_WITH_A_MANAGER, |model: &Contract, world: &World| {
            governed_with_a_manager(world) || !model.is_first_broken(world)
        }));
    }
    if scope.is_prompt() && !scope.makes_anew() {
        all.push(Property::always(THE_FIRST_IS_THE_MANAGER, |model: &Contract, world: &World| {
            the_first_is_the_manager(world) || !model.is_first_broken(world)
        }));
    }
    let (rule, property) = ADOPTED_HAVE_A_ROLE;
    if guards::all().iter().any(|guard| guard == rule) {
        all.push(Property::always(property, |model: &Contract, world: &World| {
            adopted_have_a_role(world) || !model.is_first_broken(world)
        }));
    }
    all
}

fn one_manager(world: &World) -> bool {
    SETS.into_iter().all(|set| world.pods.iter().filter(|pod| pod.may_write() && is_of(pod, set)).count() <= 1)
}

fn roles_from_the_controller(world: &World) -> bool {
    world.pods.iter().all(|pod| match (pod.origin, pod.adoption) {
        (Origin::Controller, _) => true,
        (Origin::Stranger, Adoption::Never) => pod.key(ROLE).is_none() && pod.key(WRITE).is_none(),
        (Origin::Stranger, Adoption::Done | Adoption::DoneWithoutRole) => !pod.may_write(),
    })
}

fn governed_with_a_manager(world: &World) -> bool {
    world.sets.iter().flatten().all(|set| {
        let is_live = set.replicas > 0 || set.status_replicas > 0;
        set.is_governed() || !is_live || !world.pods_of(set).any(|pod| pod.may_write())
    })
}

fn the_first_is_the_manager(world: &World) -> bool {
    world.sets.iter().flatten().filter(|set| set.is_governed() && set.replicas > 0).all(|set| {
        let first = set.pod(set.start);
        !world.pods_of(set).any(|pod| {
            pod.name == first
                && pod.origin == Origin::Controller
                && pod.adoption == Adoption::Never
                && !pod.is_terminating
                && pod.key(ROLE) == Some("worker")
        })
    })
}

fn adopted_have_a_role(world: &World) -> bool {
    world.pods.iter().all(|pod| pod.adoption != Adoption::DoneWithoutRole)
}

/// The set whose manager readers take the pod for: by the label that Services select, or by its name.
fn is_of(pod: &Pod, set: &str) -> bool {
    pod.key(SET).map_or_else(|| pod.identity().is_some_and(|(parent, _)| parent == set), |label| label == set)
}
