//! What must hold in every state, and what must be possible in some.

use stateright::Property;

use crate::model::{Contract, Event};
use crate::objects::{Origin, ROLE, SET, SETS, WRITE};
use crate::world::World;

/// Never broken.
pub const ONE_MANAGER: &str = "no two pods of one set may write";
/// Never broken.
pub const ROLES_FROM_THE_CONTROLLER: &str = "nobody has a role whom the controller did not make or, as a worker, adopt";
/// Never broken.
pub const GOVERNED_WITH_A_MANAGER: &str = "a live set with a manager is in the contract";
/// Never broken.
pub const THE_FIRST_IS_THE_MANAGER: &str = "a member that was made as a worker is not the first pod";

/// Must be reached.
pub const A_MANAGER: &str = "a manager runs";

/// All of them.
pub fn all() -> Vec<Property<Contract>> {
    vec![
        Property::always(ONE_MANAGER, |_, world| {
            SETS.into_iter().all(|set| world.pods.iter().filter(|pod| pod.may_write() && is_of(pod, set)).count() <= 1)
        }),
        Property::always(ROLES_FROM_THE_CONTROLLER, |_, world| {
            world.pods.iter().all(|pod| match pod.origin {
                Origin::Controller => true,
                Origin::Stranger => pod.key(ROLE).is_none() && pod.key(WRITE).is_none(),
                Origin::Adopted => !pod.may_write(),
            })
        }),
        Property::always(GOVERNED_WITH_A_MANAGER, governed_with_a_manager),
        Property::always(THE_FIRST_IS_THE_MANAGER, the_first_is_the_manager),
        Property::sometimes(A_MANAGER, |_, world| world.pods.iter().any(|pod| pod.may_write())),
        Property::sometimes("an orphan is adopted as a worker", |_, world| {
            world.pods.iter().any(|pod| pod.origin == Origin::Adopted && pod.key(ROLE) == Some("worker"))
        }),
        Property::sometimes(Event::ScaledToZeroAndBack.name(), |model, _| model.saw(Event::ScaledToZeroAndBack)),
        Property::sometimes(Event::StartMoved.name(), |model, _| model.saw(Event::StartMoved)),
        Property::sometimes(Event::AttackerRefused.name(), |model, _| model.saw(Event::AttackerRefused)),
        Property::sometimes(Event::KeysPutBack.name(), |model, _| model.saw(Event::KeysPutBack)),
    ]
}

/// The set whose manager readers take the pod for: by the label that Services select, or by its name.
fn is_of(pod: &crate::objects::Pod, set: &str) -> bool {
    pod.key(SET).map_or_else(|| pod.identity().is_some_and(|(parent, _)| parent == set), |label| label == set)
}

fn governed_with_a_manager(_: &Contract, world: &World) -> bool {
    world.sets.iter().flatten().all(|set| {
        let is_live = set.replicas > 0 || set.status_replicas > 0;
        set.is_governed() || !is_live || !world.pods_of(set).any(|pod| pod.may_write())
    })
}

fn the_first_is_the_manager(_: &Contract, world: &World) -> bool {
    world.sets.iter().flatten().filter(|set| set.is_governed() && set.replicas > 0).all(|set| {
        let is_left_worker = |pod: &&std::sync::Arc<crate::objects::Pod>| {
            pod.origin == Origin::Controller
                && !pod.is_terminating
                && pod.name == set.pod(set.start)
                && pod.key(ROLE) == Some("worker")
        };
        !world.pods_of(set).any(|pod| is_left_worker(&pod))
    })
}
