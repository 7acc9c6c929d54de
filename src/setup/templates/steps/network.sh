# Console: VPC > Security groups > the group of the database > Inbound rules > Edit inbound rules > Add rule.
# Set SECURITY_GROUP to that group and ADDRESSES to the static IP addresses that ClickPipes has in the Region of your
# service (ClickPipes documentation, Static IPs). With AWS PrivateLink, set the TLS host of the pipe to the name of the
# RDS endpoint instead.
( set -euo pipefail
for address in ${ADDRESSES:-}; do
    : "${SECURITY_GROUP:?set it to a security group of the database}"
    allowed=$(aws ec2 describe-security-groups --group-ids "$SECURITY_GROUP" \
        --query 'SecurityGroups[].IpPermissions[?ToPort==`{{ s.target.sign.port }}`][].IpRanges[].CidrIp' --output text)
    grep -qwF -- "$address/32" <<<"$allowed" ||
        aws ec2 authorize-security-group-ingress --group-id "$SECURITY_GROUP" \
            --protocol tcp --port {{ s.target.sign.port }} --cidr "$address/32"
done
)
