//! The parameter group of the database in the same plan, and automated backups, which the binary log of RDS needs.

use super::{CHECK_AFTER_APPLY, NOT_KNOWN_YET};
use crate::{
    checks::check::{Cause, Check, Judge, Part},
    diagnostic::Severity,
    target::{PlannedPart, ProblemKind},
};

pub(crate) static CHECK: Check = Check::pipe(
    "PIPE_PARAMETERS",
    "parameter group and backups of the plan",
    Judge::Planned(PlannedPart::Parameters, judge),
)
.part(Part::Changes)
.severity(Severity::BlocksCdc)
.if_unknown(Severity::Advisory)
.expected("a parameter group with the parameters that CDC needs; backups for the binary log of RDS")
.source("Amazon RDS User Guide, parameter groups; ClickPipes documentation, source setup")
.causes(&[&PIPE_PARAMETER_WRONG, &PIPE_BACKUPS_OFF, &PIPE_PARAMETERS_UNKNOWN]);

pub(in crate::checks) static PIPE_PARAMETER_WRONG: Cause = Cause::new(
    "PIPE_PARAMETER_WRONG",
    "a parameter of the plan is not as CDC needs it, or the parameter group is a default one",
    "parameter of the parameter group that the database names",
)
.fix("set the parameters that pipeprobe setup prints");

pub(in crate::checks) static PIPE_BACKUPS_OFF: Cause = Cause::new(
    "PIPE_BACKUPS_OFF",
    "automated backups are off in the plan, and with them the binary log",
    "backup_retention_period of the aws_db_instance",
)
.fix("set backup_retention_period = 1 or more");

pub(in crate::checks) static PIPE_PARAMETERS_UNKNOWN: Cause = Cause::new(
    "PIPE_PARAMETERS_UNKNOWN",
    "a parameter or the parameter group is known only after apply, or its default is not known",
    NOT_KNOWN_YET,
)
.fix(CHECK_AFTER_APPLY);

fn judge(kind: ProblemKind) -> Option<&'static Cause> {
    match kind {
        ProblemKind::ParameterWrong => Some(&PIPE_PARAMETER_WRONG),
        ProblemKind::BackupsOff => Some(&PIPE_BACKUPS_OFF),
        ProblemKind::PlannedUnknown(PlannedPart::Parameters) => Some(&PIPE_PARAMETERS_UNKNOWN),
        _ => None,
    }
}
