# What AWS needs so that ClickPipes can use the database with IAM. It was never applied: read the output of
# `terraform plan`. The Region of the provider must be eu-west-1.

variable "service_role" {
  type        = string
  description = "ARN of the ClickHouse service role"
}

data "aws_db_instance" "member" {
  db_instance_identifier = "orders-1"
}

data "aws_rds_cluster" "source" {
  cluster_identifier = data.aws_db_instance.member.db_cluster_identifier
}

variable "parameter_group_family" {
  type        = string
  description = "Family of the DB cluster parameter group, such as aurora-mysql8.0"
}

resource "aws_iam_role" "clickpipes" {
  name = "clickpipes-rds-access"
  path = "/"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect = "Allow"
        Principal = {
          AWS = var.service_role
        }
        Action = ["sts:AssumeRole", "sts:TagSession"]
      },
    ]
  })
}

resource "aws_iam_role_policy" "clickpipes" {
  name = "clickpipes-rds-connect"
  role = aws_iam_role.clickpipes.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["rds-db:connect"]
        Resource = ["arn:aws:rds-db:eu-west-1:123456789012:dbuser:${data.aws_rds_cluster.source.cluster_resource_id}/clickpipes_iam_user"]
      },
    ]
  })
}

resource "aws_rds_cluster_parameter_group" "clickpipes" {
  name   = "clickpipes"
  family = var.parameter_group_family

  # turns on the binary log, and logs rows, not statements
  parameter {
    name         = "binlog_format"
    value        = "ROW"
    apply_method = "pending-reboot"
  }

  # logs all columns of a row
  parameter {
    name         = "binlog_row_image"
    value        = "FULL"
    apply_method = "immediate"
  }

  # logs the names of columns; leave it out before MySQL 8.0 (Aurora MySQL 3)
  parameter {
    name         = "binlog_row_metadata"
    value        = "FULL"
    apply_method = "immediate"
  }

  # gtid-mode = ON needs it
  parameter {
    name         = "enforce_gtid_consistency"
    value        = "ON"
    apply_method = "pending-reboot"
  }

  # writes GTIDs, the default of ClickPipes; in steps: OFF, OFF_PERMISSIVE, ON_PERMISSIVE, ON
  parameter {
    name         = "gtid-mode"
    value        = "ON"
    apply_method = "pending-reboot"
  }
}

# Static IP addresses of ClickPipes in us-east-1. All are needed: some are for failover.
# Addresses change: built-in list of 2026-08-04; live list: https://api.clickhouse.cloud/static-ips.json
# With AWS PrivateLink, remove this variable and the rules.
variable "security_group_id" {
  type        = string
  description = "Security group of the database"
}

resource "aws_vpc_security_group_ingress_rule" "clickpipes" {
  for_each = toset([
    "54.82.38.199/32",
    "3.90.133.29/32",
    "52.5.177.8/32",
    "3.227.227.145/32",
    "3.216.6.184/32",
    "54.84.202.92/32",
    "3.131.130.196/32",
    "3.23.172.68/32",
    "3.20.208.150/32",
  ])

  security_group_id = var.security_group_id
  description       = "ClickPipes"
  ip_protocol       = "tcp"
  from_port         = 3306
  to_port           = 3306
  cidr_ipv4         = each.value
}

# Add to the existing aws_rds_cluster:
#   iam_database_authentication_enabled = true
#   db_cluster_parameter_group_name     = aws_rds_cluster_parameter_group.clickpipes.name

# The pipe. Written from the documentation of the provider and never applied: read the output of
# `terraform plan`. The provider reads its keys from the environment (CLICKHOUSE_ORG_ID,
# CLICKHOUSE_TOKEN_KEY, CLICKHOUSE_TOKEN_SECRET) or from a provider block.

terraform {
  required_providers {
    clickhouse = {
      source  = "ClickHouse/clickhouse"
      version = ">= 3.14.0"
    }
  }
}

variable "clickhouse_service_id" {
  type        = string
  description = "Id of the ClickHouse service"
}

variable "tables" {
  type        = set(object({ schema = string, table = string }))
  description = "Tables to replicate, each with the schema it is in"
}

resource "clickhouse_clickpipe" "this" {
  name       = "orders-1.abc123.eu-west-1.rds.amazonaws.com"
  service_id = var.clickhouse_service_id

  source = {
    mysql = {
      type           = "auroramysql"
      host           = "orders-1.abc123.eu-west-1.rds.amazonaws.com"
      port           = 3306
      authentication = "IAM_ROLE"
      iam_role       = "arn:aws:iam::123456789012:role/clickpipes-rds-access"

      credentials = {
        username = "clickpipes_iam_user"
      }

      settings = {
        replication_mode = "cdc"
      }

      table_mappings = [for t in var.tables : {
        source_schema_name = t.schema
        source_table       = t.table
        target_table       = "${t.schema}_${t.table}"
      }]
    }
  }

  destination = {
    database = "default"
  }
}
