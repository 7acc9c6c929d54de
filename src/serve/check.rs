//! Runs one check within the limits of its database and of this process. It records nothing: only results of the
//! scheduler change the state of a target.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{Monitor, single_flight::Pending};
use crate::{
    config::MonitoredTarget,
    connection::task::Task,
    local_failure::LocalFailure,
    report::Report,
    verify::{self, Budget, CachedFacts, RunContext, RunResult},
};

/// A check that has ended.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) report: Arc<Report>,
    /// For the checks until the next full one. `None` if the login failed.
    pub(super) facts: Option<CachedFacts>,
    /// What this machine could not do. The check then says nothing about the target.
    pub(super) local_failure: Option<LocalFailure>,
}

impl Monitor {
    /// A full check, shared with everyone who needs one of this target at the same time. `permit` is held until it ends.
    /// `None` if there is no permit to start one.
    pub(super) fn full_check<P: Send + 'static>(
        self: &Arc<Self>,
        monitored: &Arc<MonitoredTarget>,
        permit: impl FnOnce() -> Option<P>,
    ) -> Option<Pending<Arc<Checked>>> {
        self.full_checks.join(monitored, || {
            let (permit, monitor, monitored) = (permit()?, Arc::clone(self), Arc::clone(monitored));
            Some(async move {
                let checked = monitor.check(&monitored, None, &monitor.stopping).await;
                drop(permit);
                checked.map(Arc::new)
            })
        })
    }

    /// Checks a target, with the facts of an earlier check if there are any. The time limit starts when the check does.
    /// `None` if it was stopped before, or if a reload removed the target.
    pub(super) async fn check(
        &self,
        monitored: &Arc<MonitoredTarget>,
        known: Option<CachedFacts>,
        stop: &CancellationToken,
    ) -> Option<Checked> {
        let shared = self.shared();
        let checks = shared.checks(&monitored.target)?;
        // In this order: what waits for one database takes no place from the others.
        let permits = async { (checks.acquire().await, self.concurrency.next().await) };
        let _permits = tokio::select! {
            biased;
            () = stop.cancelled() => return None,
            permits = permits => permits,
        };
        let budget = Budget { timeout: shared.timeout, retry: true, estimate: false };
        let (clock, target) = (self.clock, Arc::clone(monitored));
        let (sessions, roots) = (Arc::clone(&shared.sessions), shared.roots(&monitored.target));
        let rate_limit = shared.rate_limits.of(&monitored.target.sign);
        // In its own task, so that a panic in one check does not affect the others.
        let looked = Task::spawn(async move {
            let given = RunContext {
                sessions: Some((&sessions, target.schedule.full_interval)),
                roots,
                rate_limit: Some(&rate_limit),
                facts: known,
            };
            verify::observe(&target.target, budget, given, clock).await
        })
        .await;
        let target = &monitored.target;
        let requirement = self.requirement(monitored);
        Some(match looked {
            Ok(RunResult { mut seen, timing }) => {
                seen.earlier = timing.facts_as_of.and_then(|as_of| self.position_before(monitored, as_of));
                let report = Report::new(target, &seen, requirement, timing);
                let local_failure = seen.local_failure().cloned();
                let facts = seen.into_facts().zip(timing.facts_as_of);
                Checked {
                    report: self.sharing(report),
                    facts: facts.map(|(facts, as_of)| CachedFacts { facts, as_of }),
                    local_failure,
                }
            }
            Err(_) => {
                tracing::error!(name = target.name, "internal error in a check; please report it");
                let report = verify::unreached(target, requirement, clock());
                Checked { report: self.sharing(report), facts: None, local_failure: None }
            }
        })
    }
}
