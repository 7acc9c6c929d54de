//! The AWS resources of a document, and what the configuration says that they refer to.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use serde_json::Value as Json;

use super::super::document::{Document, Resource};
use crate::sources::{marks::Marks, terraform::Kind};

/// The types that are read.
const KINDS: [&str; 13] = [
    "aws_iam_role",
    "aws_iam_role_policy",
    "aws_iam_policy",
    "aws_iam_role_policy_attachment",
    "aws_iam_policy_attachment",
    "aws_db_instance",
    "aws_rds_cluster",
    "aws_rds_cluster_instance",
    "aws_db_parameter_group",
    "aws_rds_cluster_parameter_group",
    "aws_security_group",
    "aws_security_group_rule",
    "aws_vpc_security_group_ingress_rule",
];
/// The attributes that other resources name.
const NAMES: [&str; 8] =
    ["arn", "name", "id", "identifier", "cluster_identifier", "address", "endpoint", "reader_endpoint"];

/// The value of an attribute.
pub(super) enum Value<'v> {
    Known(&'v Json),
    /// Known only after apply.
    Unknown,
    /// Not set.
    Null,
}

/// A resource.
pub(super) struct Found<'a> {
    pub(super) address: &'a str,
    pub(super) kind: &'a str,
    values: Json,
    unknown: Marks,
    sensitive: Marks,
}

impl Found<'_> {
    pub(super) fn get(&self, attribute: &str) -> Value<'_> {
        match self.values.get(attribute) {
            Some(Json::Null) | None if self.is_unknown(attribute) => Value::Unknown,
            Some(Json::Null) | None => Value::Null,
            Some(_) if self.is_unknown(attribute) => Value::Unknown,
            Some(value) => Value::Known(value),
        }
    }

    /// The whole value or a part of it.
    fn is_unknown(&self, attribute: &str) -> bool {
        self.unknown.is_partly(attribute)
    }

    pub(super) fn text(&self, attribute: &str) -> Option<&str> {
        match self.get(attribute) {
            Value::Known(value) => value.as_str().filter(|text| !text.is_empty()),
            Value::Unknown | Value::Null => None,
        }
    }

    pub(super) fn json(&self) -> &Json {
        &self.values
    }

    pub(super) fn is_sensitive(&self, attribute: &str) -> bool {
        self.sensitive.is_partly(attribute)
    }

    pub(super) fn at(&self, attribute: &str) -> String {
        format!("{}.{attribute}", self.address)
    }
}

/// What the configuration names.
#[derive(Default)]
pub(super) struct References {
    pub(super) resources: Vec<Reference>,
    /// Whether it also names something else: a local value, a variable of the root module, a data source.
    pub(super) others: bool,
}

/// A resource that the configuration names, without indices.
pub(super) struct Reference {
    pub(super) kind: String,
    pub(super) address: String,
}

/// Positions in the list of resources.
type Places = Vec<usize>;

pub(super) struct Graph<'a> {
    found: Vec<Found<'a>>,
    of_kind: BTreeMap<&'a str, Places>,
    /// By type, attribute and value.
    named: BTreeMap<(&'a str, &'static str, String), Places>,
    /// By the address in the configuration.
    instances: BTreeMap<String, Places>,
    /// By the address in the configuration and the key.
    keyed: BTreeMap<(String, Option<String>), Places>,
    /// The resources of the configuration, with the names of their modules.
    configured: BTreeMap<String, (Vec<String>, Json)>,
    root: Json,
    /// By address in the configuration and attribute: hundreds of instances have the same.
    resolved: RefCell<BTreeMap<(String, String), Rc<References>>>,
}

impl<'a> Graph<'a> {
    pub(super) fn of(document: &'a Document<'_>, kind: Kind) -> Self {
        let is_read = |resource: &&Resource<'_>| KINDS.iter().any(|kind| resource.is(kind));
        let resources: Vec<_> = document.resources(kind).into_iter().filter(is_read).collect();
        let mut unknown: BTreeMap<&str, Marks> = match resources.is_empty() {
            true => BTreeMap::new(),
            false => document
                .unknown(|kind| KINDS.contains(&kind))
                .map(|(address, marks)| (address, Marks::parse(marks)))
                .collect(),
        };
        let found: Vec<Found<'a>> = resources
            .into_iter()
            .map(|resource| Found {
                address: &resource.address,
                kind: &resource.kind,
                values: resource.json(),
                unknown: unknown.remove(&*resource.address).unwrap_or_default(),
                sensitive: Marks::parse(resource.sensitive_values),
            })
            .collect();
        let root = if found.is_empty() { Json::Null } else { document.configuration()["root_module"].take() };
        let mut configured = BTreeMap::new();
        configure(&root, &mut Vec::new(), &mut configured);
        let (resolved, found_in) = (RefCell::default(), found);
        let mut graph = Self {
            found: found_in,
            of_kind: BTreeMap::new(),
            named: BTreeMap::new(),
            instances: BTreeMap::new(),
            keyed: BTreeMap::new(),
            configured,
            root,
            resolved,
        };
        for (place, found) in graph.found.iter().enumerate() {
            graph.of_kind.entry(found.kind).or_default().push(place);
            for name in NAMES {
                if let Some(text) = found.text(name) {
                    graph.named.entry((found.kind, name, text.to_owned())).or_default().push(place);
                }
            }
            let plain = without_indices(found.address);
            graph.instances.entry(plain.clone()).or_default().push(place);
            let key = index(found.address).map(str::to_owned);
            graph.keyed.entry((plain, key)).or_default().push(place);
        }
        graph
    }

    fn at(&self, places: Option<&Places>) -> impl Iterator<Item = &Found<'a>> {
        places.into_iter().flatten().filter_map(|place| self.found.get(*place))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub(super) fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Found<'a>> {
        self.at(self.of_kind.get(kind))
    }

    /// The resources of a type with this value in one of these attributes.
    pub(super) fn named(&self, kind: &'a str, by: &[&'static str], value: &str) -> Vec<&Found<'a>> {
        let places = by.iter().map(|by| self.named.get(&(kind, *by, value.to_owned())));
        let mut all: Vec<&Found<'a>> = places.flat_map(|places| self.at(places)).collect();
        all.sort_by_key(|found| found.address);
        all.dedup_by_key(|found| found.address);
        all
    }

    /// All instances of a resource of the configuration.
    pub(super) fn instances(&self, address: &str) -> impl Iterator<Item = &Found<'a>> {
        self.at(self.instances.get(address))
    }

    /// The instance of the same key, otherwise all of them.
    fn instances_for(&self, address: &str, key: Option<&str>) -> Vec<&Found<'a>> {
        let own = self.keyed.get(&(address.to_owned(), key.map(str::to_owned)));
        match own {
            Some(_) => self.at(own).collect(),
            None => self.instances(address).collect(),
        }
    }

    /// The resources of these types that an attribute refers to. With `for_each`, the instance of the same key.
    pub(super) fn refers(&self, address: &str, attribute: &str, kinds: &[&str]) -> Vec<&Found<'a>> {
        let references = self.resolve(address, attribute);
        let named = references.resources.iter().filter(|reference| kinds.contains(&&*reference.kind));
        let key = index(address);
        let mut all: Vec<&Found<'a>> =
            named.flat_map(|reference| self.instances_for(&reference.address, key)).collect();
        all.sort_by_key(|found| found.address);
        all.dedup_by_key(|found| found.address);
        all
    }

    /// Whether an attribute refers to something else than resources of that type.
    pub(super) fn names_others(&self, from: &Found<'_>, attribute: &str, kind: &str) -> bool {
        let references = self.resolve(from.address, attribute);
        references.others || references.resources.iter().any(|reference| reference.kind != kind)
    }

    /// Whether the configuration sets an attribute. `None` if there is no configuration.
    pub(super) fn sets(&self, found: &Found<'_>, attribute: &str) -> Option<bool> {
        let (_, resource) = self.configured.get(&without_indices(found.address))?;
        Some(resource["expressions"].get(attribute).is_some())
    }

    fn module(&self, path: &[String]) -> Option<&Json> {
        path.iter().try_fold(&self.root, |module, name| module.get("module_calls")?.get(name)?.get("module"))
    }

    fn resolve(&self, address: &str, attribute: &str) -> Rc<References> {
        let key = (without_indices(address), attribute.to_owned());
        if let Some(known) = self.resolved.borrow().get(&key) {
            return Rc::clone(known);
        }
        let mut search = Search { graph: self, seen: BTreeSet::new(), all: References::default() };
        if let Some((modules, resource)) = self.configured.get(&key.0) {
            search.follow(&resource["expressions"][attribute], modules);
            // A pipe with for_each can have its values in the elements.
            search.follow(&resource["for_each_expression"], modules);
        }
        let found = Rc::new(search.all);
        self.resolved.borrow_mut().insert(key, Rc::clone(&found));
        found
    }
}

/// Collects the resources of a module and of those that it calls, without the values of expressions.
fn configure(module: &Json, path: &mut Vec<String>, all: &mut BTreeMap<String, (Vec<String>, Json)>) {
    let prefix = prefix(path);
    for resource in module["resources"].as_array().into_iter().flatten() {
        if let Some(address) = resource["address"].as_str() {
            all.insert(format!("{prefix}{address}"), (path.clone(), resource.clone()));
        }
    }
    for (name, call) in module["module_calls"].as_object().into_iter().flatten() {
        path.push(name.clone());
        configure(&call["module"], path, all);
        path.pop();
    }
}

fn prefix(modules: &[String]) -> String {
    modules.iter().map(|module| format!("module.{module}.")).collect()
}

/// Follows references. Each name is followed once, because documents can refer in circles.
struct Search<'g> {
    graph: &'g Graph<'g>,
    seen: BTreeSet<(Vec<String>, String)>,
    all: References,
}

impl Search<'_> {
    /// The resources of an expression in a module: directly, by a variable of the caller, or by an output of a module.
    fn follow(&mut self, expression: &Json, modules: &[String]) {
        let mut names = Vec::new();
        references(expression, &mut names);
        for name in names {
            let name = without_indices(name);
            if !self.seen.insert((modules.to_vec(), name.clone())) {
                continue;
            }
            let parts: Vec<&str> = name.split('.').collect();
            match parts[..] {
                ["var", variable, ..] => {
                    let caller = modules.split_last();
                    match caller.and_then(|(own, caller)| Some((own, caller, self.graph.module(caller)?))) {
                        Some((own, caller, module)) => {
                            self.follow(&module["module_calls"][own]["expressions"][variable], caller);
                        }
                        None => self.all.others = true,
                    }
                }
                ["module", called, output, ..] => {
                    let path = [modules, &[called.to_owned()]].concat();
                    match self.graph.module(&path) {
                        Some(module) => self.follow(&module["outputs"][output]["expression"], &path),
                        None => self.all.others = true,
                    }
                }
                // Terraform adds the name without the output.
                ["module", _] | ["each" | "count", ..] => {}
                [kind, resource, ..] if kind.starts_with("aws_") => {
                    let address = format!("{}{kind}.{resource}", prefix(modules));
                    self.all.resources.push(Reference { kind: kind.to_owned(), address });
                }
                _ => self.all.others = true,
            }
        }
    }
}

/// The names in an expression; blocks have expressions inside.
fn references<'j>(expression: &'j Json, names: &mut Vec<&'j str>) {
    match expression {
        Json::Object(object) => {
            for (key, value) in object {
                match value.as_array().filter(|_| key == "references") {
                    Some(list) => names.extend(list.iter().filter_map(Json::as_str)),
                    None if key != "constant_value" => references(value, names),
                    None => {}
                }
            }
        }
        Json::Array(list) => list.iter().for_each(|item| references(item, names)),
        _ => {}
    }
}

/// An address without the keys of `count` and `for_each`, which can contain dots and brackets in quotes.
pub(super) fn without_indices(address: &str) -> String {
    let mut plain = String::with_capacity(address.len());
    let (mut is_inside, mut is_quoted, mut is_escaped) = (false, false, false);
    for c in address.chars() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' if is_inside => is_quoted = !is_quoted,
            _ if is_quoted => {}
            '[' => is_inside = true,
            ']' => is_inside = false,
            c if !is_inside => plain.push(c),
            _ => {}
        }
    }
    plain
}

/// The key of an instance: `"eu"` or `0`, as it is written.
pub(super) fn index(address: &str) -> Option<&str> {
    let rest = address.strip_suffix(']')?;
    let plain = without_indices(address);
    let start = rest.find('[')?;
    // The key of the resource, not that of a module.
    let start = match plain.starts_with("module.") {
        true => rest.rfind("[\"").or_else(|| rest.rfind('['))?,
        false => start,
    };
    Some(&rest[start + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_are_separated_from_names() {
        for (address, plain, key) in [
            ("aws_db_instance.x", "aws_db_instance.x", None),
            ("aws_db_instance.x[0]", "aws_db_instance.x", Some("0")),
            (r#"aws_db_instance.x["a.b]["]"#, "aws_db_instance.x", Some(r#""a.b][""#)),
            (r#"module.a["m"].aws_db_instance.x["k"]"#, "module.a.aws_db_instance.x", Some(r#""k""#)),
            (r#"module.a["m"].aws_db_instance.x"#, "module.a.aws_db_instance.x", None),
        ] {
            assert_eq!((without_indices(address).as_str(), index(address)), (plain, key), "{address}");
        }
    }
}
