//! `AdmissionReview` of `admission.k8s.io/v1`, in and out. Objects stay JSON text: nothing here builds a tree.

mod decode;
mod encode;

pub use decode::{DecodeError, decode};
pub use encode::{Phase, encode};

/// The only version that is served.
const API_VERSION: &str = "admission.k8s.io/v1";
const KIND: &str = "AdmissionReview";
