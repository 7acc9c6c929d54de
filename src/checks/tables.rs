//! The tables of a pipe. Tables that were named must all be in order. If none was named, a pipe can be made from those that
//! pass every check, and the others are worth a warning.

use std::{cell::RefCell, collections::BTreeSet};

use crate::{
    checks::{Cause, Check, Diagnostic, Found},
    facts::Table,
    target::Target,
};

/// The tables that a pipe could still use. If no table was named, a check that some tables fail only warns, as long as
/// a table remains that passed this check and those before it: the pipe can be made for that one.
pub(super) struct Candidates<'a> {
    pub target: &'a Target,
    left: RefCell<BTreeSet<String>>,
}

/// The tables that fail a check, among `all` that it looked at.
pub(super) struct Failing {
    pub names: Vec<String>,
    pub all: usize,
}

impl<'a> Candidates<'a> {
    /// The tables that can be copied.
    pub(super) fn of<'t>(target: &'a Target, tables: impl Iterator<Item = &'t Table>) -> Self {
        let left = tables.filter(|table| table.select.is_ok() && !is_dotted(table)).map(Table::full_name);
        Self { target, left: RefCell::new(left.collect()) }
    }

    pub(super) fn contain(&self, table: &Table) -> bool {
        self.left.borrow().contains(&table.full_name())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.left.borrow().is_empty()
    }

    /// Judges a check, and removes the tables that fail it.
    pub(super) fn judge(
        &self,
        check: &'static Check,
        cause: &'static Cause,
        failing: &Failing,
        words: impl Into<Found>,
    ) -> Diagnostic {
        self.judge_shown(check, cause, failing, words, &failing.names)
    }

    /// As [`Candidates::judge`], with other words for the tables that fail.
    pub(super) fn judge_shown(
        &self,
        check: &'static Check,
        cause: &'static Cause,
        failing: &Failing,
        words: impl Into<Found>,
        shown: &[String],
    ) -> Diagnostic {
        if failing.names.is_empty() {
            return check.pass(counted(failing.all));
        }
        self.left.borrow_mut().retain(|name| !failing.names.contains(name));
        let found = words.into().text(": ").list(shown);
        match self.target.pipe.tables.is_empty() && !self.is_empty() {
            true => check.warn(
                cause,
                found.text(format!(
                    " (of {}); name the tables the pipe is for with --table",
                    counted(failing.all)
                )),
            ),
            false => check.fail(cause, found),
        }
    }
}

pub(super) fn counted(tables: usize) -> String {
    if tables == 1 { "1 table".to_owned() } else { format!("{tables} tables") }
}

/// ClickPipes' engine reads `schema.table` and rejects a second dot.
pub(super) fn is_dotted(table: &Table) -> bool {
    table.schema.raw().contains('.') || table.name.raw().contains('.')
}
