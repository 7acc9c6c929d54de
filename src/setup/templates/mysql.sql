-- {{ target.engine().name() }} at {{ target.sign|comment }}
-- Run it on the writer as the master user (admin, unless you chose another name):
{%- for line in client %}
--   {{ line|comment }}
{%- endfor %}
-- It can be run again: for another table or schema, and for CDC after Initial Load Only.

-- The user of ClickPipes. It logs in with IAM tokens, and only over TLS.
CREATE USER IF NOT EXISTS {{ user|mysql_text }}@'%' IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS';
ALTER USER {{ user|mysql_text }}@'%' REQUIRE SSL;

-- Tables to read.
{%- if has_loose_grant %}
-- In a grant on a whole schema, _ and % match other characters too. To prevent this, write \_ and \%
-- (but not if partial_revokes = ON: then they match only themselves).
{%- endif %}
{%- for object in objects %}
GRANT SELECT ON {{ object.name }} TO {{ user|mysql_text }}@'%';
{%- endfor %}
{%- if changes %}

-- Permission to replicate changes.
{%- if is_mariadb %}
-- REPLICA MONITOR is not in the ClickPipes documentation. ClickPipes runs SHOW REPLICA STATUS, which needs it from
-- MariaDB 10.5.9 on.
{%- endif %}
GRANT REPLICATION CLIENT ON *.* TO {{ user|mysql_text }}@'%';
GRANT REPLICATION SLAVE ON *.* TO {{ user|mysql_text }}@'%';
{%- if is_mariadb %}
GRANT REPLICA MONITOR ON *.* TO {{ user|mysql_text }}@'%';
{%- endif %}

-- Keeps the binary log while the pipe is paused and while it copies the tables: 72 hours, or longer if it is longer now.
-- ClickPipes needs at least 24.
SET @hours = (SELECT GREATEST(72, COALESCE(MAX(CAST(value AS UNSIGNED)), 0))
    FROM mysql.rds_configuration WHERE name = 'binlog retention hours');
CALL mysql.rds_set_configuration('binlog retention hours', @hours);
{%- endif %}
