# Console: IAM > Roles > Create role > Custom trust policy (the first document); then the role > Add permissions >
# Create inline policy > JSON (the second document).
( set -euo pipefail
trust_policy=$(cat <<'JSON'
{{ s.trust_policy }}
JSON
)
{%- if s.plan.service_role.is_none() %}
trust_policy=${trust_policy//{{ policies::SERVICE_ROLE|shell }}/$service_role}
{%- endif %}
{%- if s.asks_caller %}
trust_policy=${trust_policy//{{ policies::CALLER|shell }}/$caller}
{%- endif %}
connect_policy=$(cat <<'JSON'
{{ s.connect_policy }}
JSON
)
{%- if s.plan.resource_id.is_none() %}
connect_policy=${connect_policy//{{ s.target.resource_kind().placeholder()|shell }}/$resource_id}
{%- endif %}
if aws iam get-role --role-name "$role" >/dev/null 2>&1; then
    echo "Role $role exists. Its trust policy must contain the statements above. It is:" >&2
    aws iam get-role --role-name "$role" --query Role.AssumeRolePolicyDocument --output json >&2
else
    aws iam create-role --role-name "$role" --path {{ s.role.path()|shell }} --assume-role-policy-document "$trust_policy"
fi
aws iam put-role-policy --role-name "$role" --policy-name {{ s.policy_name }} \
    --policy-document "$connect_policy"
)
