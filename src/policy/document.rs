//! A policy document. Reading is lenient: [`crate::lint`] reports grammar mistakes, and a flag is kept for values that could
//! not be read, so that they make an answer unknown.

use super::{
    condition::Condition,
    json::{Node, Value},
    principal::Principal,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Part of the role: who can assume it (`AssumeRolePolicyDocument`).
    Trust,
    /// Attached to the role: what its sessions can do.
    Permission,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Trust => "trust policy",
            Self::Permission => "permission policy",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    pub kind: Kind,
    /// `2012-10-17`: `${…}` are variables.
    pub variables: bool,
    pub statements: Vec<Statement>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Allow,
    Deny,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    pub at: usize,
    /// `Statement[0]`, after the path of the document.
    pub path: String,
    pub sid: Option<String>,
    /// A misspelled effect is read as Allow, so that the rest of the statement is judged too.
    pub effect: Effect,
    pub principals: Option<Element<PrincipalEntry>>,
    pub actions: Option<Element<Span>>,
    pub resources: Option<Element<Span>>,
    pub conditions: Vec<Condition>,
    /// Some conditions could not be read.
    pub more_conditions: bool,
}

/// `Action` or `NotAction`, and so on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element<T> {
    pub negated: bool,
    pub at: usize,
    pub path: String,
    pub items: Vec<T>,
    /// A value could not be read: a function of a template, or a mistake.
    pub more: bool,
}

/// A string and its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    pub text: String,
    pub at: usize,
    pub path: String,
}

/// One principal and the key of its entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrincipalEntry {
    pub kind: Option<String>,
    pub word: Span,
}

impl PrincipalEntry {
    pub fn principal(&self) -> Principal<'_> {
        Principal::read(self.kind.as_deref(), &self.word.text)
    }
}

impl Document {
    /// `path`: the path of the document in the file; empty if it is the whole file.
    pub fn read(root: &Node, path: &str) -> Self {
        let inside = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        let statements = match root.get("Statement") {
            None => Vec::new(),
            Some(node) => match &node.value {
                Value::List(items) => {
                    let read = |(i, item)| Statement::read(item, inside(&format!("Statement[{i}]")));
                    items.iter().enumerate().filter_map(read).collect()
                }
                _ => Statement::read(node, inside("Statement")).into_iter().collect(),
            },
        };
        Self {
            kind: kind(&statements),
            variables: root.get("Version").and_then(Node::text) == Some("2012-10-17"),
            statements,
        }
    }
}

/// The kind, from the principals and resources of the document, else from its actions.
fn kind(statements: &[Statement]) -> Kind {
    let principals = statements.iter().filter(|s| s.principals.is_some()).count();
    let resources = statements.iter().filter(|s| s.resources.is_some()).count();
    let of = |service: &str| {
        let words = statements.iter().filter_map(|s| s.actions.as_ref()).flat_map(|e| &e.items);
        words.filter(|w| w.text.to_ascii_lowercase().starts_with(service)).count()
    };
    let by_actions = of("sts:") > of("rds");
    match principals.cmp(&resources) {
        std::cmp::Ordering::Greater if of("sts:") > 0 || of("rds") == 0 => Kind::Trust,
        std::cmp::Ordering::Less => Kind::Permission,
        _ if by_actions => Kind::Trust,
        _ => Kind::Permission,
    }
}

impl Statement {
    /// `None` if it is not an object.
    fn read(node: &Node, path: String) -> Option<Self> {
        let Value::Object(_) = &node.value else { return None };
        let says_deny = |text: &str| text.to_ascii_lowercase().starts_with("den");
        let effect = match read_leniently(node, "Effect").and_then(Node::text) {
            Some(text) if says_deny(text) => Effect::Deny,
            _ => Effect::Allow,
        };
        let principals = element(node, &path, "Principal", who);
        let actions = element(node, &path, "Action", words);
        let resources = element(node, &path, "Resource", words);
        let (conditions, more_conditions) = conditions(node, &path);
        let sid = node.get("Sid").and_then(Node::text).map(str::to_owned);
        Some(Self {
            at: node.at,
            path,
            sid,
            effect,
            principals,
            actions,
            resources,
            conditions,
            more_conditions,
        })
    }

    /// `Statement[0] (AllowClickPipes)`
    pub fn name(&self) -> String {
        let path = &self.path[self.path.rfind("Statement").unwrap_or(0)..];
        match self.sid.as_deref() {
            Some(sid) if !sid.is_empty() => format!("{path} ({sid})"),
            _ => path.to_owned(),
        }
    }
}

/// Ignores letter case: IAM rejects a wrong case, but the meaning is clear.
fn read_leniently<'a>(node: &'a Node, name: &str) -> Option<&'a Node> {
    let members = node.members().iter();
    let other_case = || members.clone().find(|member| member.key.eq_ignore_ascii_case(name));
    node.get(name).or_else(|| other_case().map(|member| &member.value))
}

/// The element `name`, or its `Not…` form.
fn element<T>(
    node: &Node,
    path: &str,
    name: &str,
    read: impl Fn(&Node, &str) -> (Vec<T>, bool),
) -> Option<Element<T>> {
    [(false, name.to_owned()), (true, format!("Not{name}"))].into_iter().find_map(|(negated, key)| {
        let value = read_leniently(node, &key)?;
        let path = format!("{path}.{key}");
        let (items, more) = read(value, &path);
        Some(Element { negated, at: value.at, path, items, more })
    })
}

/// The strings of a value or a list, and whether there was another kind of value.
fn words(node: &Node, path: &str) -> (Vec<Span>, bool) {
    let is_list = matches!(node.value, Value::List(_));
    let mut words = Vec::new();
    let mut more = false;
    for (i, item) in node.one_or_many().iter().enumerate() {
        let path = if is_list { format!("{path}[{i}]") } else { path.to_owned() };
        match &item.value {
            Value::Text(text) | Value::Number(text) => {
                words.push(Span { text: text.clone(), at: item.at, path });
            }
            Value::Bool(value) => words.push(Span { text: value.to_string(), at: item.at, path }),
            Value::Null | Value::List(_) | Value::Object(_) => more = true,
        }
    }
    (words, more)
}

fn who(node: &Node, path: &str) -> (Vec<PrincipalEntry>, bool) {
    let Value::Object(members) = &node.value else {
        let (words, more) = words(node, path);
        return (words.into_iter().map(|word| PrincipalEntry { kind: None, word }).collect(), more);
    };
    let mut everyone = Vec::new();
    let mut more = false;
    for member in members {
        let (words, unread) = words(&member.value, &format!("{path}.{}", member.key));
        everyone
            .extend(words.into_iter().map(|word| PrincipalEntry { kind: Some(member.key.clone()), word }));
        more |= unread;
    }
    (everyone, more)
}

fn conditions(statement: &Node, path: &str) -> (Vec<Condition>, bool) {
    let Some(node) = read_leniently(statement, "Condition") else { return (Vec::new(), false) };
    let mut conditions = Vec::new();
    let mut more = !matches!(node.value, Value::Object(_));
    for operator in node.members() {
        more |= !matches!(operator.value.value, Value::Object(_));
        for key in operator.value.members() {
            let path = format!("{path}.Condition.{}.{}", operator.key, key.key);
            let (values, unread) = words(&key.value, &path);
            more |= unread;
            let (operator, key, at) = (operator.key.clone(), key.key.clone(), key.at);
            conditions.push(Condition { operator, key, at, path, values });
        }
    }
    (conditions, more)
}
