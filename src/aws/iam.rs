//! The records of IAM for the access role. The only file that uses aws_sdk_iam.

use aws_sdk_iam::{Client, types::AttachedPolicy};
use futures_util::future::join_all;

use super::{Boundary, Lookup, Policy, Role, notes::Notes};
use crate::{identity::OperatorSdk, target::RoleArn};

/// The role, its trust policy and all its permission policies.
pub(super) async fn read(sdk: &OperatorSdk, role: &RoleArn, notes: &Notes) -> Lookup<Role> {
    let asker = Asker { client: Client::new(sdk), name: role.name(), notes };
    let getting = asker.client.get_role().role_name(asker.name).send();
    let (got, inline, attached) =
        tokio::join!(notes.ask("iam:GetRole", asker.name, getting), asker.inline(), asker.attached());
    let got = match got {
        Ok(answer) => answer,
        Err(said) if said.code.as_deref() == Some("NoSuchEntity") => return Lookup::NotFound,
        Err(_) => return Lookup::Unavailable,
    };
    let Some(found) = got.role() else { return Lookup::Unavailable };
    let boundary = match found.permissions_boundary().and_then(|b| b.permissions_boundary_arn()) {
        Some(arn) => Some(Boundary { arn: arn.to_owned(), text: asker.managed(arn).await }),
        None => None,
    };
    let complete = inline.1 && attached.1;
    Lookup::Found(Role {
        arn: found.arn().to_owned(),
        trust: found.assume_role_policy_document().unwrap_or_default().to_owned(),
        policies: inline.0.into_iter().chain(attached.0).collect(),
        complete,
        boundary,
    })
}

struct Asker<'a> {
    client: Client,
    name: &'a str,
    notes: &'a Notes,
}

/// The policies that could be read, and whether these are all.
type Policies = (Vec<Policy>, bool);

impl Asker<'_> {
    async fn inline(&self) -> Policies {
        let pages = self.client.list_role_policies().role_name(self.name).into_paginator().items().send();
        let listing = self.notes.ask("iam:ListRolePolicies", self.name, pages.try_collect());
        let Ok(names) = listing.await else { return (Vec::new(), false) };
        let read = names.iter().map(|name| async move {
            let getting = self.client.get_role_policy().role_name(self.name).policy_name(name).send();
            let answer = self.notes.ask("iam:GetRolePolicy", name, getting).await.ok()?;
            Some(Policy { name: name.clone(), text: answer.policy_document().to_owned() })
        });
        gathered(join_all(read).await)
    }

    async fn attached(&self) -> Policies {
        let pages = self.client.list_attached_role_policies().role_name(self.name).into_paginator();
        let listing = pages.items().send().try_collect();
        let listed = self.notes.ask("iam:ListAttachedRolePolicies", self.name, listing).await;
        let Ok(attached) = listed else { return (Vec::new(), false) };
        let read = attached
            .iter()
            .filter_map(AttachedPolicy::policy_arn)
            .map(|arn| async move { Some(Policy { name: arn.to_owned(), text: self.managed(arn).await? }) });
        gathered(join_all(read).await)
    }

    /// The default version of a managed policy, which is in effect.
    async fn managed(&self, arn: &str) -> Option<String> {
        let getting = self.client.get_policy().policy_arn(arn).send();
        let answer = self.notes.ask("iam:GetPolicy", arn, getting).await.ok()?;
        let version = answer.policy()?.default_version_id()?.to_owned();
        let getting = self.client.get_policy_version().policy_arn(arn).version_id(version).send();
        let answer = self.notes.ask("iam:GetPolicyVersion", arn, getting).await.ok()?;
        answer.policy_version()?.document().map(str::to_owned)
    }
}

fn gathered(read: Vec<Option<Policy>>) -> Policies {
    let complete = read.iter().all(Option::is_some);
    (read.into_iter().flatten().collect(), complete)
}
