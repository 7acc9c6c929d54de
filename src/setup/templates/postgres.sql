{%- macro matches(column, pattern) -%}
{{ column }} {% if pattern.contains('*') %}LIKE {{ pattern|like|pg_text }} ESCAPE '|'{% else %}= {{ pattern|pg_text }}{% endif %}
{%- endmacro -%}
{%- macro later_tables(schema) -%}
-- Tables that come later: those that whoever runs this creates (of others: FOR ROLE …).
ALTER DEFAULT PRIVILEGES IN SCHEMA {{ schema|pg_name }} GRANT SELECT ON TABLES TO {{ user|pg_name }};
{%- endmacro -%}
-- PostgreSQL at {{ target.sign|comment }}
-- As the master user, on the writer, in the database {{ database|comment }}:
--   psql "host=… user=… dbname=… sslmode=verify-full sslrootcert=…" -v ON_ERROR_STOP=1 -f setup.sql
-- What is granted on a table or a schema, its owner has to grant.
BEGIN;

-- The user ClickPipes logs in as. A member of rds_iam logs in with IAM tokens and nothing else.
CREATE USER {{ user|pg_name }};
GRANT rds_iam TO {{ user|pg_name }};
{%- if changes %}

-- Following changes.
GRANT rds_replication TO {{ user|pg_name }};
{%- endif %}
{%- if tables.is_empty() %}

-- What it reads. The same again for every other schema.
GRANT USAGE ON SCHEMA "public" TO {{ user|pg_name }};
GRANT SELECT ON ALL TABLES IN SCHEMA "public" TO {{ user|pg_name }};
{% call later_tables("public") %}{% endcall %}
{%- if changes %}

-- What it follows. Where it exists already, leave this out; on PostgreSQL 12 without WITH (…).
CREATE PUBLICATION {{ publication|pg_name }} FOR ALL TABLES WITH (publish_via_partition_root = true);
{%- endif %}
{%- else if has_patterns %}
{%- if changes %}

-- What it follows. Where it exists already, leave this out; on PostgreSQL 12 without WITH (…).
CREATE PUBLICATION {{ publication|pg_name }} WITH (publish_via_partition_root = true);
{%- endif %}

-- Lets it read{% if changes %} and follow{% endif %} the tables there are now, not those that come later.
DO ${{ tag }}$
DECLARE
  t record;
BEGIN
  FOR t IN
    SELECT n.nspname AS schema, c.relname AS name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence = 'p'
      AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
      AND (
{%- for pattern in tables -%}
{% if !loop.first %}
        OR {% endif %}({% call matches("n.nspname", pattern.schema) %}{% endcall %} AND {% call matches("c.relname", pattern.table) %}{% endcall %})
{%- endfor %})
  LOOP
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', t.schema, {{ user|pg_text }});
    EXECUTE format('GRANT SELECT ON %I.%I TO %I', t.schema, t.name, {{ user|pg_text }});
{%- if changes %}
    EXECUTE format('ALTER PUBLICATION %I ADD TABLE %I.%I', {{ publication|pg_text }}, t.schema, t.name);
{%- endif %}
  END LOOP;
END
${{ tag }}$;
{%- for pattern in tables if pattern.table == "*" && !pattern.schema.contains('*') %}

GRANT USAGE ON SCHEMA {{ pattern.schema|pg_name }} TO {{ user|pg_name }};
{% call later_tables(pattern.schema) %}{% endcall %}
{%- endfor %}
{%- else %}

-- What it reads.
{%- for schema in schemas %}
GRANT USAGE ON SCHEMA {{ schema|pg_name }} TO {{ user|pg_name }};
{%- endfor %}
{%- for table in tables %}
GRANT SELECT ON {{ table.schema|pg_name }}.{{ table.table|pg_name }} TO {{ user|pg_name }};
{%- endfor %}
{%- if changes %}

-- What it follows. Where it exists already: ALTER PUBLICATION … ADD TABLE …; on PostgreSQL 12
-- without WITH (…).
CREATE PUBLICATION {{ publication|pg_name }} FOR TABLE
    {% for table in tables %}{{ table.schema|pg_name }}.{{ table.table|pg_name }}{% if !loop.last %}, {% endif %}{% endfor %}
    WITH (publish_via_partition_root = true);
{%- endif %}
{%- endif %}

COMMIT;
{%- if changes %}

-- Lists the published tables without a key to tell rows apart. Each needs a primary key,
-- or, by its owner:
--   ALTER TABLE … REPLICA IDENTITY FULL;
SELECT p.schemaname, p.tablename
FROM pg_publication_tables p
JOIN pg_namespace n ON n.nspname = p.schemaname
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = p.tablename
WHERE p.pubname = {{ publication|pg_text }}
  AND (c.relreplident = 'n' OR c.relreplident = 'd'
    AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary));
{%- endif %}
