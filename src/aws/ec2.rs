//! Security groups, as EC2 has them.
//!
//! Source: Amazon EC2 API Reference, `DescribeSecurityGroups`, version 2016-11-15.

use super::{
    Lookup, SecurityGroup,
    api_calls::ApiCalls,
    query::{EC2, QueryApi},
    xml::{Element, Malformed},
};
use crate::{diagnostic::printable, identity::ApiError, static_ips::Rule};

/// All rules of these groups.
pub(super) async fn security_groups(
    api: &QueryApi<'_>,
    ids: &[String],
    calls: &ApiCalls,
) -> Lookup<Vec<SecurityGroup>> {
    match calls.record("ec2:DescribeSecurityGroups", &ids.join(", "), ask(api, ids)).await {
        Ok(groups) => Lookup::Found(groups),
        Err(_) => Lookup::Unavailable,
    }
}

async fn ask(api: &QueryApi<'_>, ids: &[String]) -> Result<Vec<SecurityGroup>, ApiError> {
    let names: Vec<String> = (1..=ids.len()).map(|number| format!("GroupId.{number}")).collect();
    let parameters: Vec<_> = names.iter().zip(ids).map(|(name, id)| (name.as_str(), id.as_str())).collect();
    let groups = api.call(&EC2, "DescribeSecurityGroups", &parameters, groups).await?;
    match ids.iter().find(|id| !groups.iter().any(|group| group.id == **id)) {
        Some(id) => Err(ApiError::new(format!("the answer does not contain {id}"))),
        None => Ok(groups),
    }
}

fn groups(root: Element<'_>) -> Result<Vec<SecurityGroup>, Malformed> {
    root.required("securityGroupInfo")?.children().map(group).collect()
}

/// The inbound rules; ipPermissionsEgress is the other direction.
fn group(item: Element<'_>) -> Result<SecurityGroup, Malformed> {
    let rules = item.items("ipPermissions").map(rule).collect::<Result<_, _>>()?;
    Ok(SecurityGroup { id: item.text("groupId"), rules })
}

fn rule(permission: Element<'_>) -> Result<Rule, Malformed> {
    let texts = |list, name: &str| permission.items(list).map(|item| item.text(name)).collect();
    Ok(Rule {
        protocol: printable(&permission.required("ipProtocol")?.content()),
        from: permission.value("fromPort")?,
        to: permission.value("toPort")?,
        cidrs: not_empty(texts("ipRanges", "cidrIp")),
        prefix_lists: not_empty(texts("prefixListIds", "prefixListId")),
    })
}

fn not_empty(texts: Vec<String>) -> Vec<String> {
    texts.into_iter().filter(|text| !text.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::xml::read;

    #[test]
    fn inbound_rules_are_read_and_nothing_else() {
        let text = r#"<?xml version="1.0"?><DescribeSecurityGroupsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
          <requestId>r</requestId><securityGroupInfo><item><ownerId>1</ownerId><groupId>sg-1</groupId><ipPermissions>
            <item><ipProtocol>tcp</ipProtocol><fromPort>5432</fromPort><toPort>5433</toPort>
              <groups><item><groupId>sg-2</groupId></item></groups>
              <ipRanges><item><cidrIp>192.0.2.0/24</cidrIp><description>a &amp; b</description></item><item><cidrIp>198.51.100.1/32</cidrIp></item></ipRanges>
              <prefixListIds><item><prefixListId>pl-1</prefixListId></item></prefixListIds></item>
            <item><ipProtocol>-1</ipProtocol><groups/><ipRanges/><ipv6Ranges><item><cidrIpv6>::/0</cidrIpv6></item></ipv6Ranges><prefixListIds/></item>
          </ipPermissions><ipPermissionsEgress><item><ipProtocol>-1</ipProtocol><ipRanges><item><cidrIp>0.0.0.0/0</cidrIp></item></ipRanges></item></ipPermissionsEgress>
          </item></securityGroupInfo></DescribeSecurityGroupsResponse>"#;
        let tcp = Rule {
            protocol: "tcp".into(),
            from: Some(5432),
            to: Some(5433),
            cidrs: vec!["192.0.2.0/24".into(), "198.51.100.1/32".into()],
            prefix_lists: vec!["pl-1".into()],
        };
        let all = Rule { protocol: "-1".into(), ..Rule::default() };
        assert_eq!(read(text, groups).unwrap(), [SecurityGroup { id: "sg-1".into(), rules: vec![tcp, all] }]);
        assert!(read("<DescribeSecurityGroupsResponse/>", groups).is_err());
        assert!(read(&text.replace("5432", "any"), groups).is_err());
        assert!(read(&text.replace("ipProtocol", "protocol"), groups).is_err());
    }
}
