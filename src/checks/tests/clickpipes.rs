//! What depends on how the role was assumed; what depends on names is in `tests/checks/clickpipes-*.toml`.

use std::sync::Arc;

use super::{super::*, complete, found, until_auth};
use crate::{
    config::tests::read,
    diagnostic::{Basis, Capability},
    identity::IdentityError,
    verdict,
};

fn refused() -> Result<(), IdentityError> {
    Err(IdentityError::Refused {
        role: "arn:r".into(),
        code: "AccessDenied".into(),
        message: "not authorized".into(),
        request_id: None,
    })
}

fn role(more: &[&str], without: Option<Result<(), IdentityError>>) -> Diagnostic {
    let base = ["--type", "rdsmysql", "--host", "db.abc.eu-west-1.rds.amazonaws.com"];
    let role = ["--iam-role", "arn:aws:iam::123456789012:role/r"];
    let target = read(&[&base[..], &role, more].concat()).unwrap().targets.remove(0);
    let in_order = include_str!("../../../tests/checks/servers/mysql.toml");
    let mut seen = complete(Facts::Mysql(Arc::new(toml::from_str(in_order).unwrap())));
    seen.identity_evidence.without_external_id = without;
    let diagnostics = judge(&target, &seen);
    let row = found(&diagnostics, "CLICKPIPES_ROLE").clone();
    if row.outcome != Outcome::Pass {
        assert_eq!(verdict::capability(&diagnostics, Basis::Server), Capability::Blocked);
        assert!(row.remedy.is_some());
    }
    row
}

#[test]
fn an_external_id_counts_only_if_the_role_needs_it() {
    let external_id = ["--external-id", "id"];
    let through_service_role = ["--external-id", "id", "--via-role", "arn:aws:iam::999988887777:role/CH"];
    let gone = IdentityError::Unreachable { role: "arn:r".into(), what: "no answer".into() };
    for (flags, without, outcome) in [
        (&[][..], None, Outcome::Pass),
        (&external_id, Some(Ok(())), Outcome::Pass),
        (&through_service_role, Some(refused()), Outcome::Fail),
        // The statement of the trust policy for the service role can be another one.
        (&external_id, Some(refused()), Outcome::Unknown),
        (&external_id, Some(Err(gone)), Outcome::Unknown),
        (&external_id, None, Outcome::Unknown),
    ] {
        let row = role(flags, without.clone());
        assert_eq!(row.outcome, outcome, "{flags:?} {without:?}: {}", row.found);
        let cause = (outcome != Outcome::Pass).then_some("CLICKPIPES_EXTERNAL_ID");
        assert_eq!(row.cause.map(|cause| cause.code), cause);
    }
}

#[test]
fn without_a_login_nothing_is_said_about_clickpipes() {
    let base = ["--type", "rdsmysql", "--host", "orders.example.com", "--region", "eu-west-1"];
    let target = read(&[&base[..], &["--iam-role", "arn:aws:iam::123456789012:role/r"]].concat()).unwrap();
    let diagnostics = judge(&target.targets[0], &until_auth());
    for id in ["CLICKPIPES_ROLE", "CLICKPIPES_TOKEN"] {
        assert_eq!(found(&diagnostics, id).outcome, Outcome::NotReached);
    }
}
