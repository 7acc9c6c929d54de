# What AWS needs so that ClickPipes can use the database with IAM. It was never applied: read the output of
# `terraform plan`. The Region of the provider must be cn-north-1.

data "aws_db_instance" "source" {
  db_instance_identifier = "orders"
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
          AWS = "arn:aws-cn:iam::999988887777:role/CH-service-role"
        }
        Action = ["sts:AssumeRole", "sts:TagSession"]
      },
      {
        Effect = "Allow"
        Principal = {
          AWS = "arn:aws-cn:iam::123456789012:user/me"
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
        Resource = ["arn:aws-cn:rds-db:cn-north-1:123456789012:dbuser:${data.aws_db_instance.source.resource_id}/clickpipes_iam_user"]
      },
    ]
  })
}

# The security group of the database must allow the static IP addresses of ClickPipes: --service-region adds the rules.

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

variable "tables" {
  type        = set(object({ schema = string, table = string }))
  description = "Tables to replicate, each with the schema it is in"
}

resource "clickhouse_clickpipe" "this" {
  name       = "orders.abc123.rds.cn-north-1.amazonaws.com.cn"
  service_id = var.clickhouse_service_id

  source = {
    mysql = {
      type           = "rdsmariadb"
      host           = "orders.abc123.rds.cn-north-1.amazonaws.com.cn"
      port           = 3306
      authentication = "IAM_ROLE"
      iam_role       = "arn:aws-cn:iam::123456789012:role/clickpipes-rds-access"

      credentials = {
        username = "clickpipes_iam_user"
      }

      settings = {
        replication_mode = "snapshot"
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
