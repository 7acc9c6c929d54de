//! The services that are asked over the Query protocol, and what is common to asking RDS and IAM.

use jiff::Timestamp;

use crate::assume_role::Form;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::policy::{Request, Verdict};

/// A service of AWS's. All of them answer at one endpoint here; a request says which it means by its `Version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    Sts,
    Rds,
    Iam,
}

impl Service {
    /// By the API's version; what is of no known one is STS's to refuse.
    pub(crate) fn of(version: &str) -> Self {
        match version {
            "2014-10-31" => Self::Rds,
            "2010-05-08" => Self::Iam,
            _ => Self::Sts,
        }
    }

    /// In the credential scope of a signature.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sts => "sts",
            Self::Rds => "rds",
            Self::Iam => "iam",
        }
    }

    pub(crate) fn namespace(self) -> &'static str {
        match self {
            Self::Sts => "https://sts.amazonaws.com/doc/2011-06-15/",
            Self::Rds => "http://rds.amazonaws.com/doc/2014-10-31/",
            Self::Iam => "https://iam.amazonaws.com/doc/2010-05-08/",
        }
    }
}

/// Whether the caller's own policies, and those of its session, allow the action.
///
/// # Errors
/// `AccessDenied`, which names the action and the resource.
pub(crate) fn authorize(
    caller: &Caller,
    action: &str,
    resource: &str,
    now: Timestamp,
) -> Result<(), ApiError> {
    let context = caller.context(now);
    let request = Request { action, resource, principal: &caller.principal, context: &context, ignored: &[] };
    let verdicts = [("identity-based", caller.identity(request)), ("session", caller.session_limit(request))];
    let Some((kind, verdict)) = verdicts.into_iter().find(|(_, verdict)| *verdict != Verdict::Allow) else {
        return Ok(());
    };
    let how = match verdict {
        Verdict::ExplicitDeny => format!("with an explicit deny in an {kind} policy"),
        _ => format!("because no {kind} policy allows the {action} action"),
    };
    let who = &caller.principal.arn;
    let message = format!("User: {who} is not authorized to perform: {action} on resource: {resource} {how}");
    Err(ApiError::new(403, "AccessDenied", message))
}

/// One page of a list, and the marker of the next one.
///
/// # Errors
/// `ValidationError` for a marker that was never given out.
pub(crate) fn page<'a, T>(
    all: &[&'a T],
    marker: Option<&str>,
    most: usize,
) -> Result<(Vec<&'a T>, Option<String>), ApiError> {
    let start = match marker {
        None => 0,
        Some(marker) => marker
            .strip_prefix("from-")
            .and_then(|start| start.parse().ok())
            .ok_or_else(|| ApiError::validation("Invalid Marker"))?,
    };
    let rest = all.get(start..).unwrap_or_default();
    let next = (rest.len() > most).then(|| format!("from-{}", start + most));
    Ok((rest.iter().take(most).copied().collect(), next))
}

pub(crate) fn field<'a>(form: &'a Form, name: &str) -> Option<&'a str> {
    form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// # Errors
/// `ValidationError`, as for any parameter that must be there.
pub(crate) fn required<'a>(form: &'a Form, name: &str) -> Result<&'a str, ApiError> {
    field(form, name).ok_or_else(|| ApiError::validation(format!("The parameter {name} must be provided")))
}

pub(crate) fn no_such_action(form: &Form, action: &str) -> ApiError {
    let version = field(form, "Version").unwrap_or_default();
    ApiError::new(400, "InvalidAction", format!("Could not find operation {action} for version {version}"))
}
