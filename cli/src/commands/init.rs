//! `bellwether init DIR`.

use crate::args::InitArguments;
use crate::failure::Failure;
use crate::output::Output;
use crate::{project_file, stop};

/// The commented project file that a newcomer starts from.
pub(crate) const TEMPLATE: &str = include_str!("../templates/bellwether.toml");

pub(crate) fn run(arguments: &InitArguments, output: &Output) -> Result<(), Failure> {
    project_file::refuse_existing(&arguments.directory)?;
    let path = stop::protect(|| project_file::write(&arguments.directory, TEMPLATE))?;
    output.result(format_args!("{}", path.display()));
    output.note("next: say where your tables are, then `bellwether check`; or try `bellwether simulate --out DIR`");
    Ok(())
}
