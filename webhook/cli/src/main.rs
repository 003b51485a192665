//! The one binary: arguments, exit codes, wiring. What a subcommand does is in the module of its name; nothing depends on this crate.

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Command, Stateward};
use crate::exit::Exit;

mod args;
mod audit;
mod check;
mod cluster;
mod compile_component;
mod completions;
mod decisions;
mod doctor;
mod engine;
mod exit;
mod explain;
mod findings;
mod install;
mod judged;
mod open_reports;
mod output;
mod page;
mod pause;
mod policies;
mod report;
mod roles;
mod rules;
mod serve;
mod test;

fn main() -> ExitCode {
    let exit = match Stateward::parse().command {
        Command::Check(args) => check::run(&args),
        Command::Audit(args) => audit::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Rules(args) => rules::run(&args),
        Command::Serve(args) => serve::run(args),
        Command::Install(args) => install::install(&args),
        Command::Uninstall(args) => install::uninstall(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Roles(args) => roles::run(&args),
        Command::Decisions(args) => decisions::run(&args),
        Command::Pause(args) => pause::pause(&args),
        Command::Resume(args) => pause::resume(&args),
        Command::Completions(args) => completions::run(&args),
        Command::CompileComponent => compile_component::run(),
    };
    exit.unwrap_or_else(|error| {
        // The reader of our output has gone, e.g. `| head`: it has what it wanted.
        if exit::is_broken_pipe(&error) {
            return Exit::default();
        }
        anstream::eprintln!("{}error{:#}: {}", exit::ERROR, exit::ERROR, exit::described(&error));
        Exit::usage()
    })
    .code()
}
