{%- if s.reboots_writer -%}
# Console: RDS > Databases > the writer instance of {{ s.place.label() }} > Actions > Reboot. A new parameter group and
# static parameters take effect with it.
( set -euo pipefail
writer=$(aws rds describe-db-clusters --db-cluster-identifier "$db" \
    --query 'DBClusters[0].DBClusterMembers[?IsClusterWriter].DBInstanceIdentifier' --output text)
if [ "${REBOOT:-no}" = yes ]; then
    aws rds reboot-db-instance --db-instance-identifier "$writer"
    aws rds wait db-instance-available --db-instance-identifier "$writer"
else
    echo "Reboot the writer of $db ($writer) at a suitable time (REBOOT=yes does it here)." >&2
fi
)
{%- else -%}
# Console: RDS > Databases > {{ s.place.label() }} > Actions > Reboot. A new parameter group and static parameters take
# effect with it.
( set -euo pipefail
if [ "${REBOOT:-no}" = yes ]; then
    aws rds reboot-{{ s.aws.thing }} --{{ s.aws.thing }}-identifier "$db"
    aws rds wait {{ s.aws.thing }}-available --{{ s.aws.thing }}-identifier "$db"
else
    echo "Reboot $db at a suitable time (REBOOT=yes does it here)." >&2
fi
)
{%- endif %}
