//! The rule of the ClickPipes guide (`secure-rds`): with IAM, Postgres is Initial Load Only.

use super::Server;
use crate::{
    checks::{
        Diagnostic,
        check::{Cause, Check, Judge, POSTGRES},
        sources::GUIDE,
    },
    diagnostic::Basis,
};

pub(crate) static CHECK: Check = Check::changes(
    "PG_DOCUMENTED_RULE",
    "ClickPipes guide allows CDC with IAM",
    POSTGRES,
    Judge::Postgres(judge),
)
.only_for(Basis::Guide)
.expected("MySQL or MariaDB: in the guide, Postgres with IAM is Initial Load Only")
.fix(
    "newer versions of RDS and ClickPipes allow more than the guide: use --basis server, or use a \
         password for CDC",
)
.source(GUIDE)
.causes(&[&PG_DOCUMENTED_RULE]);

pub(in crate::checks) static PG_DOCUMENTED_RULE: Cause = Cause::new(
    "PG_DOCUMENTED_RULE",
    "in the ClickPipes guide, Postgres with IAM is Initial Load Only",
    "the guide. Counts only on the basis `guide`",
);

/// The rule of the ClickPipes guide (`secure-rds`): with IAM, Postgres is Initial Load Only.
fn judge(_: &Server<'_>) -> Diagnostic {
    CHECK
        .fail(&PG_DOCUMENTED_RULE, "by the ClickPipes guide, Postgres with IAM is Initial Load Only")
        .expected("MySQL or MariaDB, or the newer rule (--basis server)")
}
