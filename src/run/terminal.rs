//! The terminal that output goes to.

/// Columns of the terminal on stdout; `None` if stdout is not a terminal.
pub(super) fn columns() -> Option<usize> {
    terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| width.0.into())
}
