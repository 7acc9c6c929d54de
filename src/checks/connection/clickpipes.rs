//! What ClickPipes cannot do, as the result of a check.

use super::{clickpipes_role, clickpipes_token};
use crate::{
    checks::{Cause, Check, Diagnostic, database::endpoint},
    clickpipes::{Limit, LimitKind},
};

/// All limits in one finding: the cause of the first, and the remedies of all.
pub(in crate::checks) fn limited(check: &'static Check, limits: &[Limit]) -> Option<Diagnostic> {
    let first = limits.first()?;
    let found = limits.iter().map(|limit| limit.found.as_str()).collect::<Vec<_>>().join("; ");
    let mut remedies: Vec<&str> = limits.iter().map(|limit| limit.remedy.as_str()).collect();
    remedies.dedup();
    Some(check.fail(cause(first.kind), found).expected(&first.expected).remedy(remedies.join("; ")))
}

fn cause(kind: LimitKind) -> &'static Cause {
    match kind {
        LimitKind::Region => &clickpipes_token::CLICKPIPES_REGION,
        LimitKind::Sign => &clickpipes_token::CLICKPIPES_SIGN,
        LimitKind::Partition => &clickpipes_role::CLICKPIPES_PARTITION,
        LimitKind::Proxy => &endpoint::DB_ENDPOINT_PROXY,
        LimitKind::Reader => &endpoint::DB_ENDPOINT_READER,
        LimitKind::ShardGroup => &endpoint::DB_ENDPOINT_SHARD_GROUP,
    }
}
