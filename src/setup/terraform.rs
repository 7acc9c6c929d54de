//! The same for Terraform: what AWS needs, and the pipe itself. Names of arguments are those of the providers'
//! documentation (hashicorp/aws; ClickHouse/clickhouse, `clickhouse_clickpipe`).

mod aws;
mod clickpipe;
mod hcl;

pub(super) use aws::aws;
pub(super) use clickpipe::clickpipe;
