//! `cometbridge print-config`: what is in force, secrets as references.

use crate::app::cli::Configured;
use crate::app::run::settings;
use crate::app::{self, Fault};
use crate::config::print_config;

pub fn print(arguments: &Configured) -> Result<(), Fault> {
    app::print(&print_config(&settings(arguments)?))
}
