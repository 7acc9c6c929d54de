//! Evaluation of documents for a request.
//!
//! A Deny that applies wins. Else an Allow that applies allows the request. Else the request is not allowed. If it is not
//! known whether a statement applies, the decision can be unknown.

use super::{
    Truth, all, any,
    context::Context,
    database::{Database, Match},
    document::{Document, Effect, Element, Kind, Span, Statement},
    pattern::{self, Expanded},
    principal::Caller,
};

/// A request to AWS.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub action: &'a str,
    /// For a trust policy: the caller; `None` if it is not known.
    pub caller: Option<Caller<'a>>,
    /// For a permission policy: the resource.
    pub database: Option<&'a Database>,
    pub context: &'a Context,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision<'a> {
    /// The statements that allow it.
    Allowed(Vec<&'a Statement>),
    Denied(&'a Statement),
    NotAllowed,
    Unknown,
}

/// Evaluates the documents together.
pub fn decide<'a>(documents: &[&'a Document], request: Request<'_>) -> Decision<'a> {
    let statements: Vec<(&'a Statement, Truth)> = documents
        .iter()
        .flat_map(|document| document.statements.iter().map(|s| (s, s.applies(document, request))))
        .collect();
    let of = |effect: Effect| statements.iter().filter(move |(s, _)| s.effect == effect);
    if let Some((denying, _)) = of(Effect::Deny).find(|(_, applies)| *applies == Truth::Yes) {
        return Decision::Denied(denying);
    }
    let by: Vec<&Statement> =
        of(Effect::Allow).filter(|(_, applies)| *applies == Truth::Yes).map(|(s, _)| *s).collect();
    let may_deny = of(Effect::Deny).any(|(_, applies)| *applies == Truth::Unknown);
    let may_allow = of(Effect::Allow).any(|(_, applies)| *applies == Truth::Unknown);
    match (by.is_empty(), may_deny, may_allow) {
        (false, false, _) => Decision::Allowed(by),
        (false, true, _) | (true, _, true) => Decision::Unknown,
        (true, _, false) => Decision::NotAllowed,
    }
}

impl Statement {
    /// Whether the statement applies to the request.
    pub fn applies(&self, document: &Document, request: Request<'_>) -> Truth {
        let context = document.variables.then_some(request.context);
        all([
            self.covers_action(request.action),
            self.names(document, request.caller),
            self.covers(request.database, context),
            self.conditions_hold(document, request.context),
        ])
    }

    pub fn covers_action(&self, action: &str) -> Truth {
        let Some(element) = &self.actions else { return Truth::No };
        element.said(|word| pattern::matches_ignoring_case(&word.text, action).into())
    }

    /// Whether its principals include the caller. A permission policy has no principals.
    pub fn names(&self, document: &Document, caller: Option<Caller<'_>>) -> Truth {
        match &self.principals {
            None => Truth::from(document.kind == Kind::Permission),
            Some(element) => {
                let said = element.said(|who| who.principal().names(caller));
                // Whether naming the role also excludes its sessions is not documented (IAM guide, NotPrincipal).
                if element.negated && said == Truth::No { Truth::Unknown } else { said }
            }
        }
    }

    fn covers(&self, database: Option<&Database>, context: Option<&Context>) -> Truth {
        let (Some(database), Some(element)) = (database, &self.resources) else {
            return Truth::from(database.is_none());
        };
        let allows = self.effect == Effect::Allow && !element.negated;
        element.said(|word| match fit(word, database, context) {
            Ok(fit) => fit.truth(allows),
            Err(truth) => truth,
        })
    }

    pub fn conditions_hold(&self, document: &Document, context: &Context) -> Truth {
        let unread = self.more_conditions.then_some(Truth::Unknown);
        let read = self.conditions.iter().map(|condition| condition.holds(context, document.variables));
        all(read.chain(unread))
    }
}

/// How one resource matches the database, with replaced variables.
///
/// # Errors
/// A variable has no value, or a value that is not known.
pub fn fit(word: &Span, database: &Database, context: Option<&Context>) -> Result<Match, Truth> {
    match pattern::expand(&word.text, context) {
        Expanded::Pattern(pattern) => Ok(database.fit(&pattern)),
        Expanded::Nothing => Err(Truth::No),
        Expanded::Unknown => Err(Truth::Unknown),
    }
}

impl<T> Element<T> {
    /// Whether one of the items matches; for a `Not…` element, whether none matches.
    fn said(&self, fits: impl Fn(&T) -> Truth) -> Truth {
        let unread = self.more.then_some(Truth::Unknown);
        let one = any(self.items.iter().map(fits).chain(unread));
        if self.negated { !one } else { one }
    }
}
