//! Filters of the templates: text in the syntax of each language. Input never becomes syntax.

use std::fmt::Display;

use askama::Values;

use super::quote;
use crate::{sql::mysql, target};

macro_rules! filters {
    ($($name:ident = $function:path),* $(,)?) => {$(
        #[askama::filter_fn]
        pub fn $name(value: impl Display, _: &dyn Values) -> askama::Result<String> {
            Ok($function(&value.to_string()))
        }
    )*};
}

filters! {
    comment = quote::comment,
    folded = folded,
    hcl = quote::hcl,
    like = target::like,
    mysql_text = mysql::literal,
    pg_name = quote::pg_name,
    pg_text = quote::pg_text,
    shell = quote::shell,
}

/// A long `aws` command, on two lines.
fn folded(command: &str) -> String {
    command.replace(" --query", " \\\n    --query")
}
