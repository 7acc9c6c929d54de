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
{%- if !all_named %}

variable "tables" {
  type        = set(object({ schema = string, table = string }))
  description = {{ self.tables_text()|hcl }}
}
{%- endif %}

resource "clickhouse_clickpipe" "this" {
  name       = {{ target.name|hcl }}
  service_id = var.clickhouse_service_id

  source = {
    {% if is_postgres %}postgres{% else %}mysql{% endif %} = {
      type           = {{ target.source_type.name()|hcl }}
      host           = {{ target.dial.host|hcl }}
      port           = {{ target.dial.port }}
{%- if is_postgres %}
      database       = {{ database|hcl }}
{%- endif %}
{%- if target.tls_host != target.dial.host %}
      tls_host       = {{ target.tls_host|hcl }}
{%- endif %}
{%- if let Some(ca) = target.ca_certificate %}
      ca_certificate = {{ ca.pem|hcl }}
{%- endif %}
      authentication = "IAM_ROLE"
      iam_role       = {{ role|hcl }}

      credentials = {
        username = {{ target.user|hcl }}
      }

      settings = {
{%- if !target.pipe.follows_changes() %}
        replication_mode = {{ mode|hcl }}
{%- else if is_postgres %}
        replication_mode = {{ mode|hcl }}
        publication_name = {{ publication|hcl }}
{%- else if target.pipe.mechanism == ReplicationMechanism::Gtid %}
        replication_mode      = {{ mode|hcl }}
        replication_mechanism = "GTID"
{%- else if target.pipe.mechanism == ReplicationMechanism::FilePos %}
        # ClickHouse support must enable FILE_POS for the organization.
        replication_mode      = {{ mode|hcl }}
        replication_mechanism = "FILE_POS"
{%- else %}
        replication_mode = {{ mode|hcl }}
{%- endif %}
      }

{%- if all_named %}

      table_mappings = [
{%- for table in target.pipe.tables %}
        {
          source_schema_name = {{ table.schema|hcl }}
          source_table       = {{ table.table|hcl }}
          target_table       = {{ format!("{}_{}", table.schema, table.table)|hcl }}
        },
{%- endfor %}
      ]
{%- else %}

      table_mappings = [for t in var.tables : {
        source_schema_name = t.schema
        source_table       = t.table
        target_table       = "${t.schema}_${t.table}"
      }]
{%- endif %}
    }
  }

  destination = {
    database = "default"
  }
}
