{%- macro variable(name, description) %}
variable "{{ name }}" {
  type        = string
  description = {{ description|hcl }}
}
{% endmacro -%}
# What AWS needs so that ClickPipes can use the database with IAM. It was never applied: read the output of
# `terraform plan`. The Region of the provider must be {{ target.region }}.
{% if plan.service_role.is_none() %}
{%- call variable("service_role", "ARN of the ClickHouse service role") %}{% endcall -%}
{% endif %}
{%- if asks_caller %}
{%- call variable("caller", "ARN of the principal that runs pipeprobe check") %}{% endcall -%}
{% endif %}
{%- if plan.resource_id.is_none() %}
{%- if let (ResourceKind::Instance, Some(id)) = (place.kind, place.id.as_ref()) %}
data "aws_db_instance" "source" {
  db_instance_identifier = {{ id|hcl }}
}
{% else if let (ResourceKind::Cluster, Some(id)) = (place.kind, place.id.as_ref()) %}
data "aws_rds_cluster" "source" {
  cluster_identifier = {{ id|hcl }}
}
{% else if let Some(member) = place.member %}
data "aws_db_instance" "member" {
  db_instance_identifier = {{ member|hcl }}
}

data "aws_rds_cluster" "source" {
  cluster_identifier = data.aws_db_instance.member.db_cluster_identifier
}
{% else %}
{%- call variable("resource_id", place.resource_id_text()) %}{% endcall -%}
{% endif -%}
{% endif %}
{%- if !parameters.is_empty() %}
{%- call variable("parameter_group_family", family_text) %}{% endcall -%}
{% endif %}
resource "aws_iam_role" "clickpipes" {
  name = {{ role.name()|hcl }}
  path = {{ role.path()|hcl }}
  assume_role_policy = jsonencode({{ trust_policy }})
}

resource "aws_iam_role_policy" "clickpipes" {
  name = "clickpipes-rds-connect"
  role = aws_iam_role.clickpipes.id
  policy = jsonencode({{ connect_policy }})
}
{%- if !parameters.is_empty() %}

resource "{{ group_type }}" "clickpipes" {
  name   = {{ group_name|hcl }}
  family = var.parameter_group_family
{%- for p in parameters %}

  # {{ p.why }}
  parameter {
    name         = {{ p.name|hcl }}
    value        = {{ p.value|hcl }}
    apply_method = {{ p.apply_method|hcl }}
  }
{%- endfor %}
}
{%- endif %}

{%- if let Some(ips) = target.pipe.static_ips %}
{%- if let Some(serving) = ips.candidates.first() %}

# Static IP addresses of ClickPipes in {{ serving.region }}. All are needed: some are for failover.
{%- if let Some(services) = serving.services %}
# This Region serves {{ services }}.
{%- for other in ips.candidates[1..] %}
# {{ other.region }} serves {{ other.services_or_all() }}: for them, use --service-region {{ other.region }}.
{%- endfor %}
{%- endif %}
# Addresses change: {{ ips.list() }}
# With AWS PrivateLink, remove this variable and the rules.
variable "security_group_id" {
  type        = string
  description = "Security group of the database"
}

resource "aws_vpc_security_group_ingress_rule" "clickpipes" {
  for_each = toset([
{%- for address in serving.addresses %}
    "{{ address }}/32",
{%- endfor %}
  ])

  security_group_id = var.security_group_id
  description       = "ClickPipes"
  ip_protocol       = "tcp"
  from_port         = {{ target.sign.port }}
  to_port           = {{ target.sign.port }}
  cidr_ipv4         = each.value
}
{%- endif %}
{%- else %}

# The security group of the database must allow the static IP addresses of ClickPipes: --service-region adds the rules.
{%- endif %}
{% if place.kind == ResourceKind::Proxy %}
# Add to each auth block of the existing aws_db_proxy: iam_auth = "REQUIRED"
{%- else %}
# Add to the existing {% if is_cluster %}aws_rds_cluster{% else %}aws_db_instance{% endif %}:
#   iam_database_authentication_enabled = true
{%- if !parameters.is_empty() %}
{%- if is_cluster %}
#   db_cluster_parameter_group_name     = {{ group_type }}.clickpipes.name
{%- else %}
#   parameter_group_name                = {{ group_type }}.clickpipes.name
{%- if target.engine() != Engine::Postgres %}
#   backup_retention_period             = 1 # or more: without backups, RDS writes no binary log
{%- endif %}
{%- endif %}
{%- endif %}
{%- endif %}
