//! Changes cannot be streamed through RDS Proxy, from a reader, or from a shard group.

use crate::{
    checks::{
        Diagnostic, Observations,
        check::{ALL, Cause, Check, Judge},
        connection::clickpipes::limited,
    },
    clickpipes,
    facts::{Facts, Settings},
    target::{RdsName, Target},
};

pub(crate) static CHECK: Check =
    Check::changes("DB_ENDPOINT", "endpoint supports replication", ALL, Judge::Run(judge))
        .expected("the endpoint of an instance, or the writer endpoint of a cluster")
        .source(
            "Amazon RDS User Guide, RDS Proxy limitations; ClickPipes documentation, Aurora Postgres source \
         setup",
        )
        .causes(&[&DB_ENDPOINT_PROXY, &DB_ENDPOINT_READER, &DB_ENDPOINT_SHARD_GROUP]);

pub(in crate::checks) static DB_ENDPOINT_PROXY: Cause =
    Cause::new("DB_ENDPOINT_PROXY", "RDS Proxy does not support replication", "the name of the endpoint")
        .fix("use the endpoint of the instance or cluster");

pub(in crate::checks) static DB_ENDPOINT_READER: Cause = Cause::new(
    "DB_ENDPOINT_READER",
    "a reader of a cluster does not stream changes",
    "the name is a cluster's reader endpoint, or innodb_read_only is ON",
)
.fix("set `host` to the writer endpoint of the cluster");

pub(in crate::checks) static DB_ENDPOINT_SHARD_GROUP: Cause = Cause::new(
    "DB_ENDPOINT_SHARD_GROUP",
    "Aurora Limitless Database does not stream changes",
    "the name of the endpoint (shardgrp-)",
)
.fix("use replication_mode = \"snapshot\", or a cluster without Limitless Database");

/// Where changes can be streamed from.
fn judge(target: &Target, seen: &Observations) -> Option<Diagnostic> {
    let facts = seen.facts()?;
    let host = &target.sign.host;
    // The name of an instance endpoint, a custom endpoint or an alias does not say that it is a reader. Aurora MySQL sets
    // innodb_read_only on readers; a replica of RDS for MySQL only has read_only (Amazon Aurora User Guide).
    let is_on = |settings: &Settings| settings.get("innodb_read_only").is_some_and(|v| v == "ON" || v == "1");
    if let Facts::Mysql(facts) = facts
        && facts.settings.read().is_some_and(is_on)
    {
        let found = format!("{host} leads to a reader: innodb_read_only is ON");
        return Some(CHECK.fail(&DB_ENDPOINT_READER, found));
    }
    let limit = clickpipes::changes(host);
    Some(limited(&CHECK, limit.as_slice()).unwrap_or_else(|| match RdsName::parse(host) {
        Some(_) => CHECK.pass("no proxy, reader or shard group endpoint"),
        None => CHECK.pass(format!("{host} is no RDS name, so its kind is not known")),
    }))
}
