# Console: VPC > Security groups > the group of the database > Inbound rules > Edit inbound rules > Add rule.
{%- if let Some(ips) = s.target.pipe.static_ips %}
{%- if let Some(serving) = ips.candidates.first() %}
# Set SECURITY_GROUP to that group. ClickPipes connects from the static IP addresses of {{ serving.region }}. Allow all of them:
# some are for failover.
{%- if let Some(services) = serving.services %}
# This Region serves {{ services }}.
{%- for other in ips.candidates[1..] %}
# {{ other.region }} serves {{ other.services_or_all() }}: for them, use --service-region {{ other.region }}.
{%- endfor %}
{%- endif %}
# Addresses change: {{ ips.list() }}
{%- endif %}
{%- else %}
# Set SECURITY_GROUP to that group and ADDRESSES to the static IP addresses that ClickPipes has in the Region of your
# service. With --service-region, pipeprobe setup contains them.
{%- endif %}
# With AWS PrivateLink, no rule for them is needed. Set the TLS host of the pipe to the name of the RDS endpoint instead.
{%- if let Some(serving) = s.serving() %}
ADDRESSES=${ADDRESSES-'{{ serving.addresses_on_lines(4) }}'}
{%- endif %}
( set -euo pipefail
if [ -n "${ADDRESSES:-}" ] && [ -z "${SECURITY_GROUP:-}" ]; then
    echo "Set SECURITY_GROUP to a security group of the database, unless the pipe uses PrivateLink." >&2
    ADDRESSES=
fi
for address in ${ADDRESSES:-}; do
    allowed=$(aws ec2 describe-security-groups --group-ids "$SECURITY_GROUP" \
        --query 'SecurityGroups[].IpPermissions[?FromPort==`{{ s.target.sign.port }}` && ToPort==`{{ s.target.sign.port }}` && IpProtocol==`tcp`][].IpRanges[].CidrIp' --output text)
    grep -qwF -- "$address/32" <<<"$allowed" ||
        aws ec2 authorize-security-group-ingress --group-id "$SECURITY_GROUP" \
            --protocol tcp --port {{ s.target.sign.port }} --cidr "$address/32"
done
)
