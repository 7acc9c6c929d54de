-- {{ target.engine().name() }} at {{ target.sign|comment }}
-- As the master user, on the writer:
--   {% if is_mariadb %}mariadb --ssl-verify-server-cert{% else %}mysql --ssl-mode=VERIFY_IDENTITY{% endif %} --host=… --user=… --password --ssl-ca=… < setup.sql

-- The user ClickPipes logs in as, with IAM tokens, and over TLS only.
CREATE USER {{ user|mysql_text }} IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS';
ALTER USER {{ user|mysql_text }}@'%' REQUIRE SSL;

-- What it reads.
{%- if has_loose_grant %}
-- In a grant on a whole schema _ and % stand for other characters too: \_ and \% do not
-- (but not with partial_revokes = ON, where they never do).
{%- endif %}
{%- for object in objects %}
GRANT SELECT ON {{ object.name }} TO {{ user|mysql_text }}@'%';
{%- endfor %}
{%- if changes %}

-- Following changes.
{%- if is_mariadb %}
-- REPLICA MONITOR is not in the ClickPipes guide: its engine asks SHOW REPLICA STATUS, which
-- REPLICATION CLIENT has not allowed since MariaDB 10.5.9.
{%- endif %}
GRANT REPLICATION CLIENT ON *.* TO {{ user|mysql_text }}@'%';
GRANT REPLICATION SLAVE ON *.* TO {{ user|mysql_text }}@'%';
{%- if is_mariadb %}
GRANT REPLICA MONITOR ON *.* TO {{ user|mysql_text }}@'%';
{%- endif %}

-- Keeps the binary log while the pipe is away, and while it copies the tables: 24 at least.
CALL mysql.rds_set_configuration('binlog retention hours', 72);
{%- endif %}
