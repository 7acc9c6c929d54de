//! Removes what a Terraform plan or state marks as sensitive from a report, before any rendering sees it.

use super::Report;
use crate::secret::Sensitive;

pub(super) fn hide(report: &mut Report, sensitive: &Sensitive) {
    // A host name or port cannot be replaced in part.
    let is_shown = |text: String| sensitive.hide(&text) == text;
    report.endpoints = report.endpoints.take().filter(|endpoints| {
        is_shown(endpoints.connect.to_string())
            && is_shown(endpoints.sign.to_string())
            && is_shown(endpoints.tls_host.to_string())
            && is_shown(endpoints.region.to_string())
    });
    for text in texts(report) {
        *text = sensitive.hide(text);
    }
}

/// Every text that can contain a value of the target.
fn texts(report: &mut Report) -> Vec<&mut String> {
    let mut texts: Vec<&mut String> = report.pipe.iter_mut().collect();
    let verdict = &mut *report.verdict;
    texts.push(&mut verdict.reason);
    texts.extend(&mut verdict.next_steps);
    for check in report.checks.iter_mut() {
        texts.push(&mut check.title);
        texts.extend([&mut check.expected, &mut check.found, &mut check.remedy].into_iter().flatten());
        texts.extend(&mut check.listed);
        for candidate in &mut check.candidates {
            texts.extend([&mut candidate.because, &mut candidate.remedy]);
        }
    }
    for hop in &mut report.identity.hops {
        texts.extend([&mut hop.role, &mut hop.became]);
    }
    for certificate in report.tls.iter_mut().flat_map(|tls| &mut tls.chain) {
        texts.push(&mut certificate.subject);
        texts.extend(&mut certificate.names);
    }
    if let Some(endpoints) = &mut report.endpoints {
        texts.push(&mut endpoints.user);
        let optional = [&mut endpoints.database, &mut endpoints.role, &mut endpoints.alias_of];
        texts.extend(optional.into_iter().flatten());
    }
    if let Some(load) = &mut report.initial_load {
        texts.extend(&mut load.problem);
        if let Some(estimate) = &mut load.estimate {
            texts.extend(&mut estimate.sampled.tables);
            for table in &mut estimate.largest {
                texts.push(&mut table.name);
                texts.extend(&mut table.possible_partition_key);
            }
        }
    }
    if let Some(aws) = &mut report.aws_diagnostics {
        texts.push(&mut aws.conclusion);
        for finding in &mut aws.findings {
            texts.push(&mut finding.found);
            texts.extend(&mut finding.remedy);
        }
        for call in &mut aws.calls {
            texts.extend([&mut call.call, &mut call.about]);
            texts.extend(&mut call.refused);
        }
    }
    texts
}
