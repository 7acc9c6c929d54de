# What AWS needs so that ClickPipes can use the database with IAM. It was never applied: read the output of
# `terraform plan`. The Region of the provider must be us-gov-west-1.

variable "service_role" {
  type        = string
  description = "ARN of the ClickHouse service role"
}

variable "caller" {
  type        = string
  description = "ARN of the principal that runs pipeprobe check"
}

data "aws_db_instance" "source" {
  db_instance_identifier = "orders"
}

variable "parameter_group_family" {
  type        = string
  description = "Family of the DB parameter group, such as mysql8.0"
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
      {
        Effect = "Allow"
        Principal = {
          AWS = var.caller
        }
        Action = ["sts:AssumeRole", "sts:TagSession"]
        Condition = {
          StringEquals = {
            "sts:ExternalId" = "team-7"
          }
        }
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
        Resource = ["arn:aws-us-gov:rds-db:us-gov-west-1:123456789012:dbuser:${data.aws_db_instance.source.resource_id}/pipe's reader"]
      },
    ]
  })
}

resource "aws_db_parameter_group" "clickpipes" {
  name   = "clickpipes-orders"
  family = var.parameter_group_family

  # logs rows, not statements
  parameter {
    name         = "binlog_format"
    value        = "ROW"
    apply_method = "immediate"
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
}

# The security group of the database must allow the static IP addresses of ClickPipes: --service-region adds the rules.

# Add to the existing aws_db_instance:
#   iam_database_authentication_enabled = true
#   parameter_group_name                = aws_db_parameter_group.clickpipes.name
#   backup_retention_period             = 1 # or more: without backups, RDS writes no binary log

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

resource "clickhouse_clickpipe" "this" {
  name       = "vpce-0a1b.example.internal"
  service_id = var.clickhouse_service_id

  source = {
    mysql = {
      type           = "rdsmysql"
      host           = "vpce-0a1b.example.internal"
      port           = 13306
      tls_host       = "orders.abc123.us-gov-west-1.rds.amazonaws.com"
      authentication = "IAM_ROLE"
      iam_role       = "arn:aws-us-gov:iam::123456789012:role/clickpipes-rds-access"

      credentials = {
        username = "pipe's reader"
      }

      settings = {
        # ClickHouse support must enable FILE_POS for the organization.
        replication_mode      = "cdc"
        replication_mechanism = "FILE_POS"
      }

      table_mappings = [
        {
          source_schema_name = "shop"
          source_table       = "orders"
          target_table       = "shop_orders"
        },
        {
          source_schema_name = "shop"
          source_table       = "order`lines"
          target_table       = "shop_order`lines"
        },
      ]
    }
  }

  destination = {
    database = "default"
  }
}
