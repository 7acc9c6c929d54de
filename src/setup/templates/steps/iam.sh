# Console: RDS > Databases > {{ s.place.label() }} > Modify > Database authentication > Password and IAM database
# authentication. Logins with passwords continue to work.
( set -euo pipefail
aws rds modify-{{ s.aws.thing }} --{{ s.aws.thing }}-identifier "$db" --enable-iam-database-authentication --apply-immediately
aws rds wait {{ s.aws.thing }}-available --{{ s.aws.thing }}-identifier "$db"
)
