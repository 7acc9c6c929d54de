//! The parameters that `setup` sets.

use crate::{config::Setup, target::Parameter};

pub(super) fn of(plan: &Setup) -> Vec<Parameter> {
    let target = &plan.target;
    match target.pipe.follows_changes() {
        true => Parameter::for_cdc(target.source_type, target.pipe.mechanism),
        false => Vec::new(),
    }
}

/// In the format of `aws rds modify-db-…parameter-group --parameters`.
pub(super) fn for_aws(parameters: &[Parameter]) -> serde_json::Value {
    let one = |p: &Parameter| {
        serde_json::json!({
            "ParameterName": p.name, "ParameterValue": p.value, "ApplyMethod": p.apply_method
        })
    };
    parameters.iter().map(one).collect()
}
