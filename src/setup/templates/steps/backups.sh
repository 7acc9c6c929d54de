# Console: RDS > Databases > {{ s.place.label() }} > Modify > Backup > Enable automated backups, 1 day or more.
# RDS writes the binary log only with automated backups. Turning them on restarts the instance.
( set -euo pipefail
days=$(aws rds describe-db-instances --db-instance-identifier "$db" \
    --query 'DBInstances[0].BackupRetentionPeriod' --output text)
if [ "$days" = 0 ] && [ "${REBOOT:-no}" = yes ]; then
    aws rds modify-db-instance --db-instance-identifier "$db" --backup-retention-period 1 --apply-immediately
    aws rds wait db-instance-available --db-instance-identifier "$db"
elif [ "$days" = 0 ]; then
    echo "Turn on automated backups of $db. This restarts it (REBOOT=yes does it here)." >&2
fi
)
