//! Filters of the templates: text in the syntax of each language.

// `askama::filter_fn` writes this attribute.
#![allow(clippy::inline_always)]

use std::fmt::Display;

use askama::Values;
use textwrap::{Options, WordSplitter};

use super::{quote, text::WIDTH};
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

/// Paragraphs of a screen. Words are not broken, so that commands can be copied.
#[askama::filter_fn]
pub fn wrapped(text: impl Display, _: &dyn Values, first: &str, rest: &str) -> askama::Result<String> {
    let options = Options::new(WIDTH)
        .initial_indent(first)
        .subsequent_indent(rest)
        .break_words(false)
        .word_splitter(WordSplitter::NoHyphenation);
    Ok(textwrap::fill(&text.to_string(), options))
}

/// A long `aws` command on two lines, for the `if` of `values.sh`.
fn folded(command: &str) -> String {
    command.replace(" --query", " \\\n        --query")
}
