# Console: RDS > Parameter groups > Create parameter group (same family) > Edit; then RDS > Databases >
# {{ s.place.label() }} > Modify > Additional configuration. A default group cannot be changed. Another group is changed
# in place, for every database that uses it.
{%- if s.needs_gtid %}
# gtid-mode changes one step at a time (OFF, OFF_PERMISSIVE, ON_PERMISSIVE, ON), with a reboot after each step. This
# part sets the next step. Statements that cannot be written with a GTID then fail: MySQL manual, enforce_gtid_consistency.
{%- endif %}
( set -euo pipefail
attach=no
group=$(aws rds describe-{{ s.aws.thing }}s --{{ s.aws.thing }}-identifier "$db" \
    --query '{{ s.aws.group_of }}' --output text)
case $group in
default.*)
    family=$(aws rds describe-{{ s.aws.group }}s --{{ s.aws.group }}-name "$group" \
        --query '{{ s.aws.family_of }}' --output text)
    group=clickpipes-$db
    attach=yes
    existing=$(aws rds describe-{{ s.aws.group }}s --{{ s.aws.group }}-name "$group" \
        --query '{{ s.aws.family_of }}' --output text 2>/dev/null) || true
    [ "$existing" = "$family" ] ||
        aws rds create-{{ s.aws.group }} --{{ s.aws.group }}-name "$group" \
            --db-parameter-group-family "$family" --description 'Change data capture by ClickPipes'
    ;;
esac
{%- if s.needs_gtid %}
status=$(aws rds describe-{{ s.aws.thing }}s --{{ s.aws.thing }}-identifier "$db" \
    --query '{{ s.aws.status_of }}' --output text)
gtid=$(aws rds describe-{{ s.aws.parameters }} --{{ s.aws.group }}-name "$group" \
    --query "Parameters[?ParameterName=='gtid-mode'].ParameterValue" --output text | tr -d '[:space:]')
case $status:$gtid in
pending-reboot:*O*) echo "Reboot $db first: then this part sets the step after gtid-mode = $gtid." >&2 ;;
*:OFF_PERMISSIVE) gtid=ON_PERMISSIVE ;;
*:ON_PERMISSIVE | *:ON) gtid=ON ;;
*) gtid=OFF_PERMISSIVE ;;
esac
[ "$gtid" = ON ] || echo "gtid-mode = $gtid: after the reboot, repeat this part and the reboot until it is ON." >&2
{%- endif %}
aws rds modify-{{ s.aws.group }} --{{ s.aws.group }}-name "$group" --parameters
{%- for p in s.parameters %} \
    ParameterName={{ p.name }},ParameterValue={% if p.is_gtid_mode() %}"$gtid"{% else %}{{ p.value }}{% endif %},ApplyMethod={{ p.apply_method }}
{%- endfor %}
if [ "$attach" = yes ]; then
    aws rds modify-{{ s.aws.thing }} --{{ s.aws.thing }}-identifier "$db" --{{ s.aws.group }}-name "$group" --apply-immediately
    aws rds wait {{ s.aws.thing }}-available --{{ s.aws.thing }}-identifier "$db"
fi
)
