//! The scenes of a soak. Each restores the initial state at its end.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use lab::{Certificate, Instance, Lab};
use lab_aws::Fault;
use rustix::process::Signal;

use super::fleet::{self, Rhythm, Target, names};
use super::script::{Event, Expected};
use crate::cli::http;
use crate::cli::serve::{Serve, by_target, metric};

/// The limit for one check (`timeout`). Only a machine under load comes near it.
const CHECK: Duration = Duration::from_secs(20);
/// How long pipeprobe caches a refusal from STS, and the limit for one call.
const STS: Duration = Duration::from_secs(10);

/// The parts of a scene.
#[derive(Clone, Copy)]
pub(crate) struct Stage<'a> {
    pub(crate) lab: &'a Lab,
    pub(crate) serve: &'a Serve,
    pub(crate) config: &'a Path,
    pub(crate) rhythm: Rhythm,
    pub(crate) targets: &'a [Target],
    /// Not monitored until a reload adds them.
    pub(crate) more: &'a [Target],
}

/// The number of scenes before they repeat.
pub(crate) const SCENES: usize = 9;

impl<'a> Stage<'a> {
    /// The scene of that number. Later rounds use other servers, roles and faults.
    pub(crate) fn scene(self, number: usize) -> Vec<Event<'a>> {
        let round = number / SCENES;
        let instances = self.lab.instances();
        let instance = |offset: usize| &instances[(round + offset) % instances.len()];
        match number % SCENES {
            0 => self.stopped(instance(0)),
            1 => self.restarted(instance(1)),
            2 => self.certificate_renewed(instance(2)),
            3 => self.certificate_of_a_stranger(instance(3)),
            4 => self.sts_fails(round),
            5 => self.role_loses_its_policy(round),
            6 => self.clock_shifted(if round.is_multiple_of(2) { 1200 } else { -1200 }),
            7 => self.clock_shifted_a_little(),
            _ => self.reloaded(),
        }
    }

    /// Time until a check notices a change: the longest interval plus the duration of a check.
    fn noticed(self) -> Duration {
        self.rhythm.interval.mul_f64(1.1) + CHECK
    }

    /// A failing target is checked every fourth interval. A recovery is confirmed by an early second check.
    fn recovered(self) -> Duration {
        self.rhythm.interval.mul_f64(4.4)
            + self.rhythm.interval.min(Duration::from_secs(5)).mul_f64(1.1)
            + CHECK
    }

    /// Valid sessions are used until the next full check.
    fn session_noticed(self) -> Duration {
        self.rhythm.full_interval + STS + self.noticed()
    }

    fn of(self, instance: &Instance) -> BTreeSet<String> {
        names(self.targets, |target| self.lab.instances()[target.instance].name == instance.name)
    }

    fn everyone(self) -> BTreeSet<String> {
        names(self.targets, |_| true)
    }

    fn event(
        self,
        what: impl Into<String>,
        touched: BTreeSet<String>,
        (expected, within): (Expected, Duration),
        act: impl Fn() -> io::Result<()> + 'a,
    ) -> Event<'a> {
        Event { what: what.into(), touched, expected, within, act: Box::new(act), proof: None }
    }

    fn stopped(self, instance: &'a Instance) -> Vec<Event<'a>> {
        let (name, touched) = (&instance.name, self.of(instance));
        vec![
            self.event(
                format!("{name} stops"),
                touched.clone(),
                (Expected::Unhealthy, self.noticed()),
                move || {
                    instance.stop();
                    Ok(())
                },
            ),
            self.event(format!("{name} starts"), touched, (Expected::Healthy, self.recovered()), move || {
                instance.start_again()
            }),
        ]
    }

    fn restarted(self, instance: &'a Instance) -> Vec<Event<'a>> {
        let what = format!("{} restarts", instance.name);
        let expected = (Expected::HealthyAgain, self.noticed() + self.recovered());
        vec![self.event(what, self.of(instance), expected, move || {
            instance.stop();
            instance.start_again()
        })]
    }

    fn certificate_renewed(self, instance: &'a Instance) -> Vec<Event<'a>> {
        let what = format!("{} renews its certificate", instance.name);
        let ends = {
            let (serve, touched) = (self.serve, self.of(instance));
            move || -> io::Result<Vec<f64>> {
                let text = serve.get("/metrics")?;
                let all = by_target(&text, "pipeprobe_certificate_expiry_timestamp_seconds");
                Ok(all.filter(|(name, _)| touched.contains(*name)).map(|(_, end)| end).collect())
            }
        };
        let before = ends().unwrap_or_default();
        let mut event = self.event(what, BTreeSet::new(), (Expected::Unchanged, self.noticed()), move || {
            self.lab.replace_certificate(instance, Certificate::Good)
        });
        // All of them expire later than before.
        let latest = before.iter().copied().fold(0.0, f64::max);
        event.proof = Some(Box::new(move || {
            let after = ends()?;
            Ok(!after.is_empty() && after.len() == before.len() && after.iter().all(|end| *end > latest))
        }));
        vec![event]
    }

    fn certificate_of_a_stranger(self, instance: &'a Instance) -> Vec<Event<'a>> {
        let (name, touched) = (&instance.name, self.of(instance));
        vec![
            self.event(
                format!("{name} shows a certificate that nobody signed"),
                touched.clone(),
                (Expected::Unhealthy, self.noticed()),
                move || self.lab.replace_certificate(instance, Certificate::SelfSignedAuthority),
            ),
            self.event(
                format!("{name} shows one of the lab's root again"),
                touched,
                (Expected::Healthy, self.recovered()),
                move || self.lab.replace_certificate(instance, Certificate::Good),
            ),
        ]
    }

    fn sts_fails(self, round: usize) -> Vec<Event<'a>> {
        let faults = [Fault::ServiceUnavailable, Fault::Throttle, Fault::Hang, Fault::Malformed];
        let fault = faults[round % faults.len()].clone();
        let aws = self.lab.aws();
        vec![
            self.event(
                format!("STS fails ({fault:?})"),
                self.everyone(),
                (Expected::Unhealthy, self.session_noticed()),
                move || {
                    aws.set_fault(fault.clone());
                    Ok(())
                },
            ),
            self.event(
                "STS answers again",
                self.everyone(),
                (Expected::Healthy, STS + STS + self.recovered()),
                move || {
                    aws.set_fault(Fault::None);
                    Ok(())
                },
            ),
        ]
    }

    fn role_loses_its_policy(self, round: usize) -> Vec<Event<'a>> {
        let role = self.targets[round % self.targets.len()].role;
        let (arn, aws) = (fleet::role(role), self.lab.aws());
        let databases: Vec<String> = self.lab.instances().iter().map(|i| i.resource_id.clone()).collect();
        let touched = names(self.targets, |target| target.role == role);
        let change = move |policies: Vec<_>| {
            aws.change(|world| {
                for role in world.roles.iter_mut().filter(|role| role.arn == arn) {
                    role.identity_policies.clone_from(&policies);
                }
            });
            Ok(())
        };
        let restore = change.clone();
        vec![
            self.event(
                format!("role {role} may no longer connect"),
                touched.clone(),
                (Expected::Unhealthy, self.noticed()),
                move || change(Vec::new()),
            ),
            self.event(
                format!("role {role} may connect again"),
                touched,
                (Expected::Healthy, self.recovered()),
                move || restore(vec![lab::connect_policy(&databases)]),
            ),
        ]
    }

    fn clock_shifted(self, seconds: i64) -> Vec<Event<'a>> {
        let aws = self.lab.aws();
        vec![
            self.event(
                format!("AWS's clock is {seconds:+} s from ours"),
                self.everyone(),
                (Expected::Unhealthy, self.noticed() + STS),
                move || {
                    aws.shift_clock(seconds);
                    Ok(())
                },
            ),
            self.event(
                "AWS's clock is right again",
                self.everyone(),
                (Expected::Healthy, STS + self.recovered()),
                move || {
                    aws.shift_clock(0);
                    Ok(())
                },
            ),
        ]
    }

    fn clock_shifted_a_little(self) -> Vec<Event<'a>> {
        let aws = self.lab.aws();
        let shift = move |what: &str, seconds| {
            self.event(what, BTreeSet::new(), (Expected::Unchanged, self.noticed()), move || {
                aws.shift_clock(seconds);
                Ok(())
            })
        };
        vec![shift("AWS's clock is 40 s ahead", 40), shift("AWS's clock is right", 0)]
    }

    fn reloaded(self) -> Vec<Event<'a>> {
        let Self { lab, serve, config, rhythm, targets, more } = self;
        let gone = &targets[..targets.len() / 20];
        let write = move |text: String| fs::write(config, text);
        let of = move |targets: &mut dyn Iterator<Item = &'a Target>| {
            fleet::config(lab, serve.address, rhythm, targets)
        };
        let watched = move || -> io::Result<BTreeSet<String>> {
            let text = serve.get("/metrics")?;
            Ok(by_target(&text, "pipeprobe_healthy").map(|(name, _)| name.to_owned()).collect())
        };
        let succeeded = move || -> io::Result<bool> {
            let text = serve.get("/metrics")?;
            Ok(metric(&text, "pipeprobe_config_last_reload_successful", "") == Some(1.0))
        };
        let unchanged = (Expected::Unchanged, self.noticed());
        let mut added = self.event(
            format!("a reload brings {} targets and takes {}", more.len(), gone.len()),
            names(more, |_| true),
            (Expected::Healthy, self.noticed()),
            move || {
                write(of(&mut targets[gone.len()..].iter().chain(more)))?;
                http::ask(serve.address, "POST", "/-/reload")?.ok().map(drop)
            },
        );
        added.proof = Some(Box::new(move || {
            Ok(succeeded()? && watched()? == names(targets[gone.len()..].iter().chain(more), |_| true))
        }));
        let mut bad =
            self.event("a reload of a file with a mistake", BTreeSet::new(), unchanged, move || {
                write(of(&mut targets.iter()) + "[targets.half]\ntype = \"rdspostgres\"\n")?;
                serve.signal(Signal::HUP)
            });
        bad.proof = Some(Box::new(move || Ok(!succeeded()?)));
        let mut back = self.event(
            "a reload brings the first file back",
            names(gone, |_| true),
            (Expected::Healthy, self.noticed()),
            move || {
                write(of(&mut targets.iter()))?;
                serve.signal(Signal::HUP)
            },
        );
        back.proof = Some(Box::new(move || Ok(succeeded()? && watched()? == names(targets, |_| true))));
        vec![added, bad, back]
    }
}
