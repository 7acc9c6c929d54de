//! The rules: a stable code and a title for each. The title says what a correct policy has.

macro_rules! rules {
    ($($name:ident $code:literal $title:literal)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Rule { $($name,)* }

        impl Rule {
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Codes are a public interface and do not change.
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }
    };
}

rules! {
    // IAM rejects the document.
    Json                "POLICY_JSON"                    "valid JSON"
    Characters          "POLICY_CHARACTERS"              "plain characters only"
    Placeholder         "POLICY_PLACEHOLDER"             "no placeholders"
    DuplicateKey        "POLICY_DUPLICATE_KEY"           "no duplicate keys"
    NotAPolicy          "POLICY_NOT_A_POLICY"            "IAM policy document"
    Version             "POLICY_VERSION"                 "Version is 2012-10-17"
    Element             "POLICY_ELEMENT"                 "only elements that IAM knows"
    ElementMissing      "POLICY_ELEMENT_MISSING"         "all required elements"
    ElementValue        "POLICY_ELEMENT_VALUE"           "element values that IAM can read"
    ElementConflict     "POLICY_ELEMENT_CONFLICT"        "no element together with its Not… form"
    Effect              "POLICY_EFFECT"                  "Effect is Allow or Deny"
    Sid                 "POLICY_SID"                     "valid Sid"
    PrincipalMisplaced  "POLICY_PRINCIPAL_IN_PERMISSION" "no Principal in a permission policy"
    ResourceMisplaced   "POLICY_RESOURCE_IN_TRUST"       "no Resource in a trust policy"
    ActionForm          "POLICY_ACTION_FORM"             "Action has the form service:Action"
    ActionNotSts        "POLICY_ACTION_NOT_STS"          "only STS actions in a trust policy"
    Operator            "POLICY_CONDITION_OPERATOR"      "condition operator that IAM knows"
    Template            "POLICY_TEMPLATE"                "no template functions"
    // Both kinds.
    ActionMisspelt      "POLICY_ACTION_MISSPELT"         "Action exists"
    ActionWide          "POLICY_ACTION_WIDE"             "no more actions than needed"
    NotAction           "POLICY_NOT_ACTION"              "Action instead of NotAction"
    Deny                "POLICY_DENY"                    "no Deny that covers ClickPipes"
    DenyUnknown         "POLICY_DENY_UNKNOWN"            "no Deny that may cover ClickPipes"
    ConditionUnmet      "POLICY_CONDITION_UNMET"         "no condition that ClickPipes cannot meet"
    ConditionUnknown    "POLICY_CONDITION_UNKNOWN"       "no condition with an unknown result"
    ConditionNetwork    "POLICY_CONDITION_NETWORK"       "no condition on the caller's network"
    ConditionMfa        "POLICY_CONDITION_MFA"           "no condition on MFA"
    // Trust policies.
    AssumeRole          "POLICY_ASSUME_ROLE"             "sts:AssumeRole is allowed"
    TagSession          "POLICY_TAG_SESSION"             "sts:TagSession is allowed"
    ServiceRole         "POLICY_SERVICE_ROLE"            "principal is your ClickHouse service role"
    Principal           "POLICY_PRINCIPAL"               "principal is the ClickHouse service role"
    PrincipalSession    "POLICY_PRINCIPAL_SESSION"       "principal is a role, not a session"
    PrincipalUser       "POLICY_PRINCIPAL_USER"          "principal is a role, not a user"
    PrincipalId         "POLICY_PRINCIPAL_ID"            "principal exists"
    PrincipalPartition  "POLICY_PRINCIPAL_PARTITION"     "principal is in the same partition"
    PrincipalWildcard   "POLICY_PRINCIPAL_WILDCARD"      "no wildcard in the ARN of a principal"
    PrincipalForm       "POLICY_PRINCIPAL_FORM"          "principal is a complete ARN or an account id"
    PrincipalKind       "POLICY_PRINCIPAL_KIND"          "principal is of type AWS"
    PrincipalWide       "POLICY_PRINCIPAL_WIDE"          "no principal besides the ClickHouse service role"
    NotPrincipal        "POLICY_NOT_PRINCIPAL"           "Principal instead of NotPrincipal"
    ExternalId          "POLICY_EXTERNAL_ID"             "no condition on sts:ExternalId"
    TagCondition        "POLICY_TAG_CONDITION"           "condition accepts the session tags"
    Organisation        "POLICY_ORGANISATION"            "no condition on the organization"
    // Permission policies.
    Connect             "POLICY_CONNECT"                 "rds-db:connect is allowed"
    ConnectService      "POLICY_CONNECT_SERVICE"         "action is rds-db:connect, not one of another service"
    ResourceForm        "POLICY_RESOURCE_FORM"           "Resource is the ARN of a database user"
    ResourceService     "POLICY_RESOURCE_SERVICE"        "Resource belongs to rds-db, not to rds"
    ResourceType        "POLICY_RESOURCE_TYPE"           "Resource type is dbuser"
    ResourceId          "POLICY_RESOURCE_ID"             "Resource has the Resource ID of the database"
    ResourceIdKind      "POLICY_RESOURCE_ID_KIND"        "Resource ID is of the database's kind (db-, cluster-, prx-)"
    ResourcePartition   "POLICY_RESOURCE_PARTITION"      "Resource is in the database's partition"
    ResourceRegion      "POLICY_RESOURCE_REGION"         "Resource is in the database's Region"
    ResourceAccount     "POLICY_RESOURCE_ACCOUNT"        "Resource is in the database's account"
    ResourceUser        "POLICY_RESOURCE_USER"           "Resource has the database user of ClickPipes"
    ResourceUnsure      "POLICY_RESOURCE_UNSURE"         "no wildcard across parts of the ARN"
    ResourceWide        "POLICY_RESOURCE_WIDE"           "no more databases and users than needed"
    ResourceUsers       "POLICY_RESOURCE_USERS"          "one database user"
    NotResource         "POLICY_NOT_RESOURCE"            "Resource instead of NotResource"
    Variable            "POLICY_VARIABLE"                "no policy variables without a value"
    ConditionIgnored    "POLICY_CONDITION_IGNORED"       "no condition key that RDS IAM authentication ignores"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_uppercase_and_unique() {
        for (i, rule) in Rule::ALL.iter().enumerate() {
            let code = rule.code();
            assert!(code.starts_with("POLICY_") && code.chars().all(|c| c.is_ascii_uppercase() || c == '_'));
            assert!(Rule::ALL[..i].iter().all(|other| other.code() != code), "{code}");
            assert!(rule.title().len() + code.len() + 8 <= 100, "{code}");
        }
    }
}
