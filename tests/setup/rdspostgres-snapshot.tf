# What AWS needs so that ClickPipes can use the database with IAM. It was never applied: read the output of
# `terraform plan`. The Region of the provider must be eu-west-1.

resource "aws_iam_role" "clickpipes" {
  name = "clickpipes-rds-access"
  path = "/"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect = "Allow"
        Principal = {
          AWS = "arn:aws:iam::999988887777:role/CH-S3-example-service-role"
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
        Resource = ["arn:aws:rds-db:eu-west-1:123456789012:dbuser:db-ABCDEFGHIJKL01234/clickpipes_iam_user"]
      },
    ]
  })
}

# Static IP addresses of ClickPipes in eu-west-1. All are needed: some are for failover.
# This Region serves services created on or after 2026-01-20.
# eu-central-1 serves services created before 2026-01-20: for them, use --service-region eu-central-1.
# Addresses change: built-in list of 2026-08-04; live list: https://api.clickhouse.cloud/static-ips.json
# With AWS PrivateLink, remove this variable and the rules.
variable "security_group_id" {
  type        = string
  description = "Security group of the database"
}

resource "aws_vpc_security_group_ingress_rule" "clickpipes" {
  for_each = toset([
    "54.228.1.92/32",
    "54.72.101.254/32",
    "54.228.16.208/32",
    "54.76.200.104/32",
    "52.211.2.177/32",
    "54.77.10.134/32",
  ])

  security_group_id = var.security_group_id
  description       = "ClickPipes"
  ip_protocol       = "tcp"
  from_port         = 5432
  to_port           = 5432
  cidr_ipv4         = each.value
}

# Add to the existing aws_db_instance:
#   iam_database_authentication_enabled = true

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
  name       = "orders.abc123.eu-west-1.rds.amazonaws.com"
  service_id = var.clickhouse_service_id

  source = {
    postgres = {
      type           = "rdspostgres"
      host           = "orders.abc123.eu-west-1.rds.amazonaws.com"
      port           = 5432
      database       = "shop"
      authentication = "IAM_ROLE"
      iam_role       = "arn:aws:iam::123456789012:role/clickpipes-rds-access"

      credentials = {
        username = "clickpipes_iam_user"
      }

      settings = {
        replication_mode = "snapshot"
      }

      table_mappings = [
        {
          source_schema_name = "public"
          source_table       = "orders"
          target_table       = "public_orders"
        },
        {
          source_schema_name = "sales"
          source_table       = "Order Lines"
          target_table       = "sales_Order Lines"
        },
      ]
    }
  }

  destination = {
    database = "default"
  }
}
