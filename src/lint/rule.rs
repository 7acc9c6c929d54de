//! Every mistake that is looked for: its stable code, and the phrase that finishes "this policy …".

macro_rules! rules {
    ($($name:ident $code:literal $phrase:literal)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Rule { $($name,)* }

        impl Rule {
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The public interface: these do not change.
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            pub fn phrase(self) -> &'static str {
                match self { $(Self::$name => $phrase,)* }
            }
        }
    };
}

rules! {
    // What IAM would not save.
    Json                "POLICY_JSON"                    "is JSON"
    Characters          "POLICY_CHARACTERS"              "is written in plain characters"
    Placeholder         "POLICY_PLACEHOLDER"             "has a value in place of every placeholder"
    DuplicateKey        "POLICY_DUPLICATE_KEY"           "has each key once"
    NotAPolicy          "POLICY_NOT_A_POLICY"            "is an IAM policy document"
    Version             "POLICY_VERSION"                 "is in the policy language of 2012-10-17"
    Element             "POLICY_ELEMENT"                 "has only elements that IAM has"
    ElementMissing      "POLICY_ELEMENT_MISSING"         "has every element it needs"
    ElementValue        "POLICY_ELEMENT_VALUE"           "has values that IAM can read"
    ElementConflict     "POLICY_ELEMENT_CONFLICT"        "says each thing in one way"
    Effect              "POLICY_EFFECT"                  "says Allow or Deny"
    Sid                 "POLICY_SID"                     "has statement ids that IAM takes"
    PrincipalMisplaced  "POLICY_PRINCIPAL_IN_PERMISSION" "leaves the principal to the role it is attached to"
    ResourceMisplaced   "POLICY_RESOURCE_IN_TRUST"       "leaves the resource to the role it belongs to"
    ActionForm          "POLICY_ACTION_FORM"             "names actions as service:Action"
    ActionNotSts        "POLICY_ACTION_NOT_STS"          "trusts with STS actions only"
    Operator            "POLICY_CONDITION_OPERATOR"      "compares with operators that IAM has"
    Template            "POLICY_TEMPLATE"                "stands as IAM will see it"
    // Both kinds.
    ActionMisspelt      "POLICY_ACTION_MISSPELT"         "names actions that exist"
    ActionWide          "POLICY_ACTION_WIDE"             "allows no more actions than are needed"
    NotAction           "POLICY_NOT_ACTION"              "names what it allows, not what it leaves out"
    Deny                "POLICY_DENY"                    "denies ClickPipes nothing that it needs"
    DenyUnknown         "POLICY_DENY_UNKNOWN"            "denies nothing that ClickPipes may need"
    ConditionUnmet      "POLICY_CONDITION_UNMET"         "asks for nothing that cannot be"
    ConditionUnknown    "POLICY_CONDITION_UNKNOWN"       "asks for nothing that cannot be foreseen"
    ConditionNetwork    "POLICY_CONDITION_NETWORK"       "does not ask where ClickPipes calls from"
    ConditionMfa        "POLICY_CONDITION_MFA"           "does not ask a program for MFA"
    // Trust policies.
    AssumeRole          "POLICY_ASSUME_ROLE"             "allows sts:AssumeRole"
    TagSession          "POLICY_TAG_SESSION"             "allows sts:TagSession"
    ServiceRole         "POLICY_SERVICE_ROLE"            "names the service role of your ClickHouse service"
    Principal           "POLICY_PRINCIPAL"               "names the ClickHouse service role as principal"
    PrincipalSession    "POLICY_PRINCIPAL_SESSION"       "names a role, not a session of it"
    PrincipalUser       "POLICY_PRINCIPAL_USER"          "names a role, not a user"
    PrincipalId         "POLICY_PRINCIPAL_ID"            "names a role that exists"
    PrincipalPartition  "POLICY_PRINCIPAL_PARTITION"     "names a role of its own partition"
    PrincipalWildcard   "POLICY_PRINCIPAL_WILDCARD"      "names principals without wildcards"
    PrincipalForm       "POLICY_PRINCIPAL_FORM"          "names principals by their ARNs"
    PrincipalKind       "POLICY_PRINCIPAL_KIND"          "names an AWS principal"
    PrincipalWide       "POLICY_PRINCIPAL_WIDE"          "trusts the service role and nobody else"
    NotPrincipal        "POLICY_NOT_PRINCIPAL"           "names whom it trusts, not whom it leaves out"
    ExternalId          "POLICY_EXTERNAL_ID"             "asks for no external id"
    TagCondition        "POLICY_TAG_CONDITION"           "takes the session tags that are sent"
    Organisation        "POLICY_ORGANISATION"            "does not ask for an organisation"
    // Permission policies.
    Connect             "POLICY_CONNECT"                 "allows rds-db:connect"
    ConnectService      "POLICY_CONNECT_SERVICE"         "allows rds-db:connect, not an action of another service"
    ResourceForm        "POLICY_RESOURCE_FORM"           "names database users by their ARNs"
    ResourceService     "POLICY_RESOURCE_SERVICE"        "names a resource of rds-db, not of rds"
    ResourceType        "POLICY_RESOURCE_TYPE"           "names a dbuser, not a database"
    ResourceId          "POLICY_RESOURCE_ID"             "names the database by its resource id"
    ResourceIdKind      "POLICY_RESOURCE_ID_KIND"        "names a resource id of the kind the database has"
    ResourcePartition   "POLICY_RESOURCE_PARTITION"      "names the database's partition"
    ResourceRegion      "POLICY_RESOURCE_REGION"         "names the database's Region"
    ResourceAccount     "POLICY_RESOURCE_ACCOUNT"        "names the database's account"
    ResourceUser        "POLICY_RESOURCE_USER"           "names the database user that ClickPipes logs in as"
    ResourceUnsure      "POLICY_RESOURCE_UNSURE"         "names resources part by part"
    ResourceWide        "POLICY_RESOURCE_WIDE"           "allows no more databases and users than are needed"
    ResourceUsers       "POLICY_RESOURCE_USERS"          "allows one database user"
    NotResource         "POLICY_NOT_RESOURCE"            "names what it allows to connect to, not what it leaves out"
    Variable            "POLICY_VARIABLE"                "has no variables that cannot be filled in"
    ConditionIgnored    "POLICY_CONDITION_IGNORED"       "asks for nothing that IAM authentication ignores"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_stable_words_and_each_its_own() {
        for (i, rule) in Rule::ALL.iter().enumerate() {
            let code = rule.code();
            assert!(code.starts_with("POLICY_") && code.chars().all(|c| c.is_ascii_uppercase() || c == '_'));
            assert!(Rule::ALL[..i].iter().all(|other| other.code() != code), "{code}");
            assert!(rule.phrase().len() + code.len() + 8 <= 100, "{code}");
        }
    }
}
