//! Behaves. The neighbour of all others.
use stateward_guests::*;

struct Guest;

impl Policy for Guest {}

export_policy!(Guest);
