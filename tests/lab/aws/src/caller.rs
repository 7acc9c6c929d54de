//! Who is behind an access key, and what that caller's own policies allow.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::clock;
use crate::policy::{self, Context, Kind, Principal, Request, Verdict};
use crate::session::{Session, Sessions, base32};
use crate::world::{Arn, World};

/// An IAM user, or a session of a role.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) principal: Principal,
    /// `AIDA…`, or `AROA…:session-name`.
    pub(crate) user_id: String,
    pub(crate) session: Option<Arc<Session>>,
    policies: Vec<Value>,
    boundary: Option<Value>,
}

/// A caller with the secret its requests must have been signed with.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) secret: String,
    pub(crate) caller: Caller,
}

impl Key {
    /// The caller whose access key this is. A deleted role's sessions are still someone, but may do nothing.
    pub(crate) fn find(access_key_id: &str, world: &World, sessions: &Sessions) -> Option<Self> {
        if let Some(session) = sessions.find(access_key_id) {
            let role = world.role(&session.role);
            let policies = role.map(|role| world.policies_of(role));
            let boundary =
                role.and_then(|role| world.boundary_of(role)).map(|policy| policy.document.clone());
            let caller = Caller::of_session(&session, policies.unwrap_or_default())?;
            let caller = Caller { boundary, ..caller };
            return Some(Self { secret: session.credentials.secret_access_key.clone(), caller });
        }
        let user = world.users.iter().find(|user| user.access_key_id == access_key_id)?;
        let arn = Arn::iam(&user.arn, "user/")?;
        let caller = Caller {
            principal: Principal {
                arn: user.arn.clone(),
                issuer: user.arn.clone(),
                partition: arn.partition.to_owned(),
                account: arn.account.to_owned(),
            },
            user_id: unique_id("AIDA", &user.arn),
            session: None,
            policies: user.identity_policies.clone(),
            boundary: None,
        };
        Some(Self { secret: user.secret_access_key.clone(), caller })
    }
}

impl Caller {
    pub(crate) fn of_session(session: &Arc<Session>, policies: Vec<Value>) -> Option<Self> {
        let role = Arn::iam(&session.role, "role/")?;
        Some(Self {
            principal: Principal {
                arn: session_arn(role, &session.name),
                issuer: session.role.clone(),
                partition: role.partition.to_owned(),
                account: role.account.to_owned(),
            },
            user_id: format!("{}:{}", unique_id("AROA", &session.role), session.name),
            session: Some(Arc::clone(session)),
            policies,
            boundary: None,
        })
    }

    /// What the user's or role's own policies say, as far as a boundary leaves it to them.
    pub(crate) fn identity(&self, request: Request<'_>) -> Verdict {
        let own = policy::evaluate(&self.policies, Kind::Identity, request);
        let Some(boundary) = &self.boundary else { return own };
        match policy::evaluate([boundary], Kind::Identity, request) {
            Verdict::Allow => own,
            within if own == Verdict::Allow => within,
            _ => own,
        }
    }

    /// What the policies passed to AssumeRole leave of it; `Allow` if none were.
    pub(crate) fn session_limit(&self, request: Request<'_>) -> Verdict {
        match self.session.as_ref().and_then(|session| session.policies.as_ref()) {
            Some(documents) => policy::evaluate(documents, Kind::Identity, request),
            None => Verdict::Allow,
        }
    }

    /// The condition keys that depend on the caller and the hour alone.
    pub(crate) fn context(&self, now: Timestamp) -> Context {
        let mut context = Context::default();
        let Principal { arn, issuer, account, .. } = &self.principal;
        context.set("aws:PrincipalArn", issuer);
        context.set("aws:PrincipalAccount", account);
        context.set("aws:userid", &self.user_id);
        context.set("aws:CurrentTime", &clock::extended(now));
        context.set("aws:EpochTime", &now.as_second().to_string());
        // The stand-in speaks plain HTTP where AWS speaks TLS: it answers for AWS.
        context.set("aws:SecureTransport", "true");
        let Some(session) = &self.session else {
            context.set("aws:PrincipalType", "User");
            context.set("aws:username", arn.rsplit('/').next().unwrap_or_default());
            return context;
        };
        context.set("aws:PrincipalType", "AssumedRole");
        context.set("aws:TokenIssueTime", &clock::extended(session.issued));
        context.set("aws:MultiFactorAuthPresent", "false");
        if let Some(identity) = &session.source_identity {
            context.set("aws:SourceIdentity", identity);
        }
        for tag in &session.tags {
            context.set(&format!("aws:PrincipalTag/{}", tag.key), &tag.value);
        }
        context
    }
}

/// `arn:aws:sts::222222222222:assumed-role/name/session`: the role's path is left out.
pub(crate) fn session_arn(role: Arn<'_>, session: &str) -> String {
    format!("arn:{}:sts::{}:assumed-role/{}/{session}", role.partition, role.account, role.name())
}

/// Twenty-one characters that stay the same for one ARN.
pub(crate) fn unique_id(prefix: &str, arn: &str) -> String {
    format!("{prefix}{}", base32(&Sha256::digest(arn)[..17]))
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("caller", &self.caller).finish_non_exhaustive()
    }
}
