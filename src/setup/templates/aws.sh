#!/usr/bin/env bash
# What AWS needs so that ClickPipes can use this database with IAM ({{ mode }}):
# {{ target.sign.host|comment }}
# Read it before you run it, as somebody who may change RDS and IAM. --apply-immediately brings what
# waits for the maintenance window too. Nothing is restarted unless REBOOT=yes is set.
set -euo pipefail
export AWS_REGION={{ target.region }} AWS_DEFAULT_REGION={{ target.region }} AWS_PAGER=''
{%- if let Some(id) = place.id %}
db={{ id|shell }}
{%- else if let Some(command) = place.cluster_of_member() %}
db=$({{ command|folded }})
{%- else %}
db={{ "${" }}{{ place.variable() }}:?set it to the identifier of the {{ place.noun() }}}
{%- endif %}
{%- if plan.service_role.is_none() %}
service_role=${SERVICE_ROLE:?set it to the ARN of the ClickHouse service role}
{%- endif %}
{%- if asks_caller %}
caller=${CALLER:?set it to the ARN of whoever runs pipeprobe check}
{%- endif %}
{%- if let Some(id) = plan.resource_id %}
resource_id={{ id }}
{%- else %}
resource_id=$({{ place.resource_id_of("\"$db\"")|folded }})
{%- endif %}
if [ "$(aws sts get-caller-identity --query Account --output text)" != {{ role.account() }} ]; then
    echo 'these credentials are not of account {{ role.account() }}' >&2
    exit 1
fi
{%- if place.kind == ResourceKind::Proxy %}

# {{ self.step() }}. The proxy
#    By hand: let it require IAM authentication (RDS console, the proxy, Authentication: IAM required).
#    With end-to-end IAM it logs in to the database as the caller does, and the database needs IAM database
#    authentication too; else it logs in with the password of this user in Secrets Manager.
{%- else %}
{%- if !parameters.is_empty() %}

# {{ self.step() }}. Parameter group
#    A default group cannot be changed: then one is made. A group of your own is changed where it
#    stands, for every database that has it.
changes=()
group=$(aws rds describe-{{ aws.thing }}s --{{ aws.thing }}-identifier "$db" \
    --query '{{ aws.group_of }}' --output text)
case $group in
default.*)
    family=$(aws rds describe-{{ aws.group }}s --{{ aws.group }}-name "$group" \
        --query '{{ aws.family_of }}' --output text)
    group=clickpipes-$db
    aws rds describe-{{ aws.group }}s --{{ aws.group }}-name "$group" >/dev/null 2>&1 ||
        aws rds create-{{ aws.group }} --{{ aws.group }}-name "$group" \
            --db-parameter-group-family "$family" --description 'Change data capture by ClickPipes'
    changes+=(--{{ aws.group }}-name "$group")
    ;;
esac
aws rds modify-{{ aws.group }} --{{ aws.group }}-name "$group" --parameters
{%- for p in parameters %} \
    ParameterName={{ p.name }},ParameterValue={{ p.value }},ApplyMethod={{ p.apply_method }}
{%- endfor %}
{%- endif %}

# {{ self.step() }}. IAM database authentication
#    Password and IAM database authentication; passwords go on working.
{%- if needs_backups %}
#    RDS writes a binary log only with automated backups (a retention of at least a day).
if [ "$(aws rds describe-db-instances --db-instance-identifier "$db" \
    --query 'DBInstances[0].BackupRetentionPeriod' --output text)" = 0 ]; then
    if [ "${REBOOT:-no}" = yes ]; then
        changes+=(--backup-retention-period 1)
    else
        echo "Turn automated backups of $db on: that restarts it (REBOOT=yes does it here)" >&2
    fi
fi
{%- endif %}
aws rds modify-{{ aws.thing }} --{{ aws.thing }}-identifier "$db" --enable-iam-database-authentication \
    {% if !parameters.is_empty() %}${changes[@]+"${changes[@]}"} {% endif %}--apply-immediately
aws rds wait {{ aws.thing }}-available --{{ aws.thing }}-identifier "$db"
{%- if !parameters.is_empty() %}

# {{ self.step() }}. Reboot
#    Static parameters, and a parameter group that was not there before, wait for it.
{%- if place.kind == ResourceKind::Cluster && target.source_type.is_aurora() %}
writer=$(aws rds describe-db-clusters --db-cluster-identifier "$db" \
    --query 'DBClusters[0].DBClusterMembers[?IsClusterWriter].DBInstanceIdentifier' --output text)
if [ "${REBOOT:-no}" = yes ]; then
    aws rds reboot-db-instance --db-instance-identifier "$writer"
    aws rds wait db-instance-available --db-instance-identifier "$writer"
else
    echo "Reboot the writer of $db when it suits (REBOOT=yes does it here)" >&2
fi
{%- else %}
if [ "${REBOOT:-no}" = yes ]; then
    aws rds reboot-{{ aws.thing }} --{{ aws.thing }}-identifier "$db"
    aws rds wait {{ aws.thing }}-available --{{ aws.thing }}-identifier "$db"
else
    echo "Reboot $db when it suits (REBOOT=yes does it here)" >&2
fi
{%- endif %}
{%- endif %}
{%- endif %}

# {{ self.step() }}. The access role
#    Who may assume it, and what it may do then.
trust_policy=$(cat <<'JSON'
{{ trust_policy }}
JSON
)
{%- if plan.service_role.is_none() %}
trust_policy=${trust_policy//{{ policies::SERVICE_ROLE|shell }}/$service_role}
{%- endif %}
{%- if asks_caller %}
trust_policy=${trust_policy//{{ policies::CALLER|shell }}/$caller}
{%- endif %}
connect_policy=$(cat <<'JSON'
{{ connect_policy }}
JSON
)
{%- if plan.resource_id.is_none() %}
connect_policy=${connect_policy//{{ target.resource_kind().placeholder()|shell }}/$resource_id}
{%- endif %}
if aws iam get-role --role-name {{ role.name()|shell }} >/dev/null 2>&1; then
    echo 'The role {{ role.name()|shell }} is there: compare its trust policy with the one above' >&2
else
    aws iam create-role --role-name {{ role.name()|shell }} --path {{ role.path()|shell }} \
        --assume-role-policy-document "$trust_policy"
fi
aws iam put-role-policy --role-name {{ role.name()|shell }} \
    --policy-name "clickpipes-rds-connect-$resource_id" --policy-document "$connect_policy"

# {{ self.step() }}. The user and its grants
#    By hand: run setup.sql (pipeprobe setup --only sql) as the master user.

# {{ self.step() }}. The network
#    Set ADDRESSES to the static IP addresses ClickPipes has in your service's Region (ClickPipes
#    documentation, Static IPs), or use AWS PrivateLink: the pipe's TLS host is then the RDS
#    endpoint's name.
for address in ${ADDRESSES:-}; do
    aws ec2 authorize-security-group-ingress --protocol tcp --port {{ target.sign.port }} --cidr "$address/32" \
        --group-id "${SECURITY_GROUP:?set it to a security group of the database}"
done

# {{ self.step() }}. See that it works
#    From where the database can be reached, with credentials that may assume the access role.
{%- for line in check.lines() %}
# {{ line }}
{%- endfor %}

# {{ self.step() }}. Create the pipe
#    By hand: in the ClickHouse Cloud console, or with Terraform (clickpipe.tf).
