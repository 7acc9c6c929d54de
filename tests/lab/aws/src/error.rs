//! AWS errors: status, code and message.

/// Content of `<ErrorResponse>`. Codes and messages as seen from AWS; they are not part of its contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl ApiError {
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new(400, "ValidationError", message)
    }

    /// All broken constraints of the model.
    pub(crate) fn constraints(broken: &[String]) -> Self {
        let errors = if broken.len() == 1 { "error" } else { "errors" };
        Self::validation(format!("{} validation {errors} detected: {}", broken.len(), broken.join("; ")))
    }

    pub(crate) fn signature(message: impl Into<String>) -> Self {
        Self::new(403, "SignatureDoesNotMatch", message)
    }

    pub(crate) fn incomplete(message: impl Into<String>) -> Self {
        Self::new(400, "IncompleteSignature", message)
    }

    pub(crate) fn throttled() -> Self {
        Self::new(400, "Throttling", "Rate exceeded")
    }

    pub(crate) fn internal() -> Self {
        Self::new(
            500,
            "InternalFailure",
            "The request processing has failed because of an unknown error, exception or failure.",
        )
    }

    pub(crate) fn unavailable() -> Self {
        Self::new(
            503,
            "ServiceUnavailable",
            "The request has failed due to a temporary failure of the server.",
        )
    }

    /// The `Type` element: `Sender` or `Receiver`.
    pub(crate) fn side(&self) -> &'static str {
        if self.status < 500 { "Sender" } else { "Receiver" }
    }
}
