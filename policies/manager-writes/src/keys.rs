//! The contract's labels and annotations, as every family knows them.

pub use stateward_sdk::contract::{
    GOVERNED, Key, MANAGER, MANAGER_HOST, MANAGER_ONLY, ORDINAL, ROLE, SET, WRITE, WRITES, carries_keys, is_governed,
    is_opt_out, manager_name, stamped_set,
};
