//! Findings to text and a page, for people, and to what programs and other tools read.
//!
//! Start at [`check::CheckReport`]: what `check` or `audit` found, already located in files. [`text`], [`table`], [`html`], [`json`], [`jsonl`], [`sarif`], [`junit`],
//! [`github`], [`markdown`] and [`openreports`] write it; [`explain`] writes one verdict step by step; [`cases`] is what `test` found, with formats of its own, and so
//! has [`exemptions`]. Everything is sorted, so that two runs on one input give the same bytes, but for the time that a page is given. Text carries colour
//! codes; whoever prints it strips them where they are not wanted. Knows core's words; no files, no terminal, no network.

pub mod cases;
pub mod check;
mod columns;
pub mod comparison;
pub mod diff;
pub mod exemptions;
pub mod explain;
pub mod github;
pub mod html;
pub mod json;
pub mod jsonl;
pub mod junit;
pub mod markdown;
pub mod openreports;
pub mod promises;
pub mod rules;
pub mod sarif;
pub mod snippet;
pub mod suspected;
pub mod table;
pub mod text;
pub mod wrong;
