#!/usr/bin/env bash
# What AWS needs so that ClickPipes can use this database with IAM ({{ s.mode }}):
# {{ s.target.sign.host|comment }}
# Read it before you run it, with credentials that can change RDS and IAM. It can be run again.

# Values
{% include "steps/values.sh" %}
{%- if s.is_proxy %}

# {{ s.step() }}. The proxy
{% include "steps/proxy.sh" %}
{%- else %}

# {{ s.step() }}. IAM database authentication
{% include "steps/iam.sh" %}
{%- if s.needs_backups %}

# {{ s.step() }}. Automated backups
{% include "steps/backups.sh" %}
{%- endif %}
{%- if !s.parameters.is_empty() %}

# {{ s.step() }}. Parameters
{% include "steps/parameters.sh" %}

# {{ s.step() }}. Reboot
{% include "steps/reboot.sh" %}
{%- endif %}
{%- endif %}

# {{ s.step() }}. Access role
{% include "steps/role.sh" %}

# {{ s.step() }}. SQL
# Run setup.sql (pipeprobe setup --only sql) as the master user. Its first lines have the command.

# {{ s.step() }}. Network
{% include "steps/network.sh" %}

# {{ s.step() }}. Check
# From a host that can reach the database, with credentials that can assume the access role:
{%- for line in s.check.lines() %}
# {{ line }}
{%- endfor %}

# {{ s.step() }}. Create the pipe
# Console: ClickHouse Cloud > the service > Data sources > Create ClickPipe; or Terraform (clickpipe.tf).
