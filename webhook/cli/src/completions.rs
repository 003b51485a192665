//! `stateward completions SHELL`.

use clap::CommandFactory;

use crate::args::{CompletionsArgs, Stateward};
use crate::exit::Exit;
use crate::output::{Format, Output};

pub(crate) fn run(args: &CompletionsArgs) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Stateward::command(), "stateward", &mut script);
    Output { format: Format::Text, file: None }.write(|out| out.write_all(&script))?;
    Ok(Exit::default())
}
