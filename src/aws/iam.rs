//! The records of IAM for the access role.

use futures_util::future::join_all;

use super::{
    Boundary, Lookup, Policy, Role,
    api_calls::ApiCalls,
    query::{IAM, QueryApi},
    xml::{Element, Malformed},
};
use crate::{identity::ApiError, target::RoleArn};

/// The role, its trust policy and all its permission policies.
pub(super) async fn read(api: &QueryApi<'_>, role: &RoleArn, calls: &ApiCalls) -> Lookup<Role> {
    let records = Records { api, name: role.name(), calls };
    let (got, inline, attached) = tokio::join!(records.role(), records.inline(), records.attached());
    let (arn, trust, boundary) = match got {
        Ok(got) => got,
        Err(error) if error.code.as_deref() == Some("NoSuchEntity") => return Lookup::NotFound,
        Err(_) => return Lookup::Unavailable,
    };
    let boundary = match boundary {
        Some(arn) => Some(Boundary { text: records.managed(&arn).await, arn }),
        None => None,
    };
    let complete = inline.1 && attached.1;
    let policies = inline.0.into_iter().chain(attached.0).collect();
    Lookup::Found(Role { arn, trust, policies, complete, boundary })
}

struct Records<'a> {
    api: &'a QueryApi<'a>,
    name: &'a str,
    calls: &'a ApiCalls,
}

/// The policies that could be read, and whether these are all.
type Policies = (Vec<Policy>, bool);

impl Records<'_> {
    /// ARN, trust policy, and ARN of the permissions boundary.
    async fn role(&self) -> Result<(String, String, Option<String>), ApiError> {
        self.one("GetRole", self.name, &[("RoleName", self.name)], |result| {
            let role = result.required("Role")?;
            let arn = role.required("Arn")?.content();
            let boundary = role.child("PermissionsBoundary");
            let boundary =
                boundary.map(|boundary| boundary.required("PermissionsBoundaryArn")).transpose()?;
            let trust = role.required("AssumeRolePolicyDocument")?.content();
            Ok((arn, trust, boundary.map(Element::content)))
        })
        .await
    }

    async fn inline(&self) -> Policies {
        let names = self.list("ListRolePolicies", "PolicyNames", |name| Ok(name.content())).await;
        let Ok(names) = names else { return (Vec::new(), false) };
        let read = names.iter().map(|name| async move {
            let of_policy = [("RoleName", self.name), ("PolicyName", name.as_str())];
            let document = self.one("GetRolePolicy", name, &of_policy, |result| {
                Ok(result.required("PolicyDocument")?.content())
            });
            Some(Policy { name: name.clone(), text: document.await.ok()? })
        });
        gathered(join_all(read).await)
    }

    async fn attached(&self) -> Policies {
        let arn = |policy: Element<'_>| Ok(policy.required("PolicyArn")?.content());
        let listed = self.list("ListAttachedRolePolicies", "AttachedPolicies", arn).await;
        let Ok(attached) = listed else { return (Vec::new(), false) };
        let read = attached
            .iter()
            .map(|arn| async move { Some(Policy { name: arn.clone(), text: self.managed(arn).await? }) });
        gathered(join_all(read).await)
    }

    /// The default version of a managed policy, which is in effect.
    async fn managed(&self, arn: &str) -> Option<String> {
        let of_policy = [("PolicyArn", arn)];
        let version = self.one("GetPolicy", arn, &of_policy, |result| {
            Ok(result.required("Policy")?.required("DefaultVersionId")?.content())
        });
        let version = version.await.ok()?;
        let of_version = [("PolicyArn", arn), ("VersionId", version.as_str())];
        let document = self.one("GetPolicyVersion", arn, &of_version, |result| {
            Ok(result.required("PolicyVersion")?.required("Document")?.content())
        });
        document.await.ok()
    }

    async fn one<T>(
        &self,
        action: &str,
        about: &str,
        parameters: &[(&str, &str)],
        of: impl FnOnce(Element<'_>) -> Result<T, Malformed>,
    ) -> Result<T, ApiError> {
        let asking = self.api.call(&IAM, action, parameters, of);
        self.calls.record(&format!("iam:{action}"), about, asking).await
    }

    /// All pages of a list about the role.
    async fn list(
        &self,
        action: &str,
        list: &str,
        item: impl Fn(Element<'_>) -> Result<String, Malformed>,
    ) -> Result<Vec<String>, ApiError> {
        let pages = async {
            let (mut items, mut marker) = (Vec::new(), None::<String>);
            loop {
                let mut parameters = vec![("RoleName", self.name)];
                parameters.extend(marker.as_deref().map(|marker| ("Marker", marker)));
                let page = self.api.call(&IAM, action, &parameters, |result| {
                    let more = result.value("IsTruncated")? == Some(true);
                    let next = if more { Some(result.required("Marker")?.content()) } else { None };
                    let items = result.required(list)?.children().map(&item);
                    Ok((items.collect::<Result<Vec<_>, _>>()?, next))
                });
                let (page, next) = page.await?;
                items.extend(page);
                match next {
                    None => return Ok(items),
                    next if next == marker => return Err(ApiError::new("the same page again")),
                    next => marker = next,
                }
            }
        };
        self.calls.record(&format!("iam:{action}"), self.name, pages).await
    }
}

fn gathered(read: Vec<Option<Policy>>) -> Policies {
    let complete = read.iter().all(Option::is_some);
    (read.into_iter().flatten().collect(), complete)
}
