//! Terraform: the AWS resources and the pipe. Argument names follow the documentation of the providers (hashicorp/aws;
//! ClickHouse/clickhouse, `clickhouse_clickpipe`).

mod aws;
mod clickpipe;
mod hcl;

pub(super) use aws::aws;
pub(super) use clickpipe::clickpipe;
