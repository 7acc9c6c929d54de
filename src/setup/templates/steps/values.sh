# For bash: type bash first if your terminal runs another shell. Each part that is in ( ) stops at its first error;
# a terminal stays open. --apply-immediately also applies changes that wait for the maintenance window. Nothing is
# restarted unless REBOOT=yes is set.
case $- in *i*) ;; *) set -euo pipefail ;; esac
export AWS_REGION={{ s.target.region }} AWS_DEFAULT_REGION={{ s.target.region }} AWS_PAGER=''
unset db role
if [ "$(aws sts get-caller-identity --query Account --output text)" = {{ s.role.account() }} ]; then
    role={{ s.role.name()|shell }}
{%- if let Some(id) = s.place.id %}
    db={{ id|shell }}
{%- else if let Some(command) = s.place.cluster_of_member() %}
    db=$({{ command|folded }})
{%- else %}
    db={{ "${" }}{{ s.place.variable() }}:?set it to the identifier of the {{ s.place.noun() }}}
{%- endif %}
{%- if s.plan.service_role.is_none() %}
    service_role=${SERVICE_ROLE:?set it to the ARN of the ClickHouse service role}
{%- endif %}
{%- if s.asks_caller %}
    caller=${CALLER:?set it to the ARN of the principal that runs pipeprobe check}
{%- endif %}
{%- if let Some(id) = s.plan.resource_id %}
    resource_id={{ id }}
{%- else %}
    resource_id=$({{ s.place.resource_id_of("\"$db\"")|folded }})
{%- endif %}
fi
: "${role:?use credentials of account {{ s.role.account() }}}"
