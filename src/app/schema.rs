//! `cometbridge schema`: the contract in JSON Schema 2020-12.

use crate::app::cli::Schema;
use crate::app::{self, Fault};
use crate::base::schema;

pub fn print(arguments: &Schema) -> Result<(), Fault> {
    let Some(name) = &arguments.name else {
        let mut names = schema::names().join("\n");
        names.push('\n');
        return app::print(&names);
    };
    match schema::get(name) {
        Some(text) => app::print(&text),
        None => Err(Fault::Failed(anyhow::anyhow!(
            "no schema \"{name}\"; there are: {}",
            schema::names().join(", ")
        ))),
    }
}
