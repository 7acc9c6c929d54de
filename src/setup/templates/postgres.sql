{%- macro matches(column, pattern) -%}
{{ column }} {% if pattern.contains('*') %}LIKE {{ pattern|like|pg_text }} ESCAPE '|'{% else %}= {{ pattern|pg_text }}{% endif %}
{%- endmacro -%}
{%- macro matching() -%}
c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence = 'p'
      AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
{%- if !tables.is_empty() %}
      AND (
{%- for pattern in tables -%}
{% if !loop.first %}
        OR {% endif %}({% call matches("n.nspname", pattern.schema) %}{% endcall %} AND {% call matches("c.relname", pattern.table) %}{% endcall %})
{%- endfor %})
{%- endif %}
{%- endmacro -%}
{%- macro later_tables(schema) -%}
-- Tables that the user who runs this creates later. For tables of another owner: ALTER DEFAULT PRIVILEGES FOR ROLE …
ALTER DEFAULT PRIVILEGES IN SCHEMA {{ schema|pg_name }} GRANT SELECT ON TABLES TO {{ user|pg_name }};
{%- endmacro -%}
-- PostgreSQL at {{ target.sign|comment }}, database {{ database|comment }}
-- Run it on the writer as the master user (postgres, unless you chose another name):
{%- for line in client %}
--   {{ line|comment }}
{%- endfor %}
-- It can be run again: for another table, for CDC after Initial Load Only, and in another database. A grant on a table
-- or schema of another owner must be run by that owner.
BEGIN;

-- The user of ClickPipes. A member of rds_iam can log in only with an IAM token.
DO ${{ tag }}$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {{ user|pg_text }}) THEN
    CREATE USER {{ user|pg_name }};
  END IF;
END
${{ tag }}$;
GRANT rds_iam TO {{ user|pg_name }};
{%- if changes %}

-- Permission to replicate changes.
GRANT rds_replication TO {{ user|pg_name }};
{%- endif %}
{%- if tables.is_empty() %}

-- Tables to read. Repeat this for every other schema.
GRANT USAGE ON SCHEMA "public" TO {{ user|pg_name }};
GRANT SELECT ON ALL TABLES IN SCHEMA "public" TO {{ user|pg_name }};
{% call later_tables("public") %}{% endcall %}
{%- else if has_patterns %}

-- Tables to read: those that exist now.
DO ${{ tag }}$
DECLARE
  t record;
BEGIN
  FOR t IN
    SELECT n.nspname AS schema, c.relname AS name
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE {% call matching() %}{% endcall %}
  LOOP
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', t.schema, {{ user|pg_text }});
    EXECUTE format('GRANT SELECT ON %I.%I TO %I', t.schema, t.name, {{ user|pg_text }});
  END LOOP;
END
${{ tag }}$;
{%- for pattern in tables if pattern.table == "*" && !pattern.schema.contains('*') %}

GRANT USAGE ON SCHEMA {{ pattern.schema|pg_name }} TO {{ user|pg_name }};
{% call later_tables(pattern.schema) %}{% endcall %}
{%- endfor %}
{%- else %}

-- Tables to read.
{%- for schema in schemas %}
GRANT USAGE ON SCHEMA {{ schema|pg_name }} TO {{ user|pg_name }};
{%- endfor %}
{%- for table in tables %}
GRANT SELECT ON {{ self.qualified(table) }} TO {{ user|pg_name }};
{%- endfor %}
{%- endif %}
{%- if changes %}

-- Tables to replicate. Once a table is published, UPDATE and DELETE fail in it, and in each of its partitions, without a
-- replica identity. So this stops before it publishes such a table.
{%- if tables.is_empty() %}
-- FOR ALL TABLES: ClickPipes is billed for the changes of every table. To publish fewer, use --table.
{%- endif %}
DO ${{ tag }}$
DECLARE
{%- if tables.is_empty() || has_patterns %}
  tables oid[] := ARRAY(
    SELECT c.oid
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE {% call matching() %}{% endcall %});
{%- else %}
  tables oid[] := ARRAY[
{%- for table in tables %}
    {{ self.qualified(table)|pg_text }}::regclass{% if !loop.last %},{% endif %}
{%- endfor %}];
{%- endif %}
  t regclass;
  missing text;
BEGIN
  WITH RECURSIVE published AS (
    SELECT unnest(tables) AS oid
    UNION
    SELECT i.inhrelid FROM published p JOIN pg_catalog.pg_inherits i ON i.inhparent = p.oid
  )
  SELECT string_agg(format('ALTER TABLE %s REPLICA IDENTITY FULL;', c.oid::regclass), ' ')
  INTO missing
  FROM published p JOIN pg_catalog.pg_class c ON c.oid = p.oid
  WHERE c.relkind = 'r' AND c.relreplident <> 'f' AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_index i
    WHERE i.indrelid = c.oid AND i.indisvalid AND i.indimmediate
      AND (c.relreplident = 'd' AND i.indisprimary OR c.relreplident = 'i' AND i.indisreplident));
  IF missing IS NOT NULL THEN
    RAISE EXCEPTION 'Tables without a replica identity. Add a primary key, or set REPLICA IDENTITY USING INDEX to a unique index over NOT NULL columns. Only if the pipe has sorting_keys that identify a row, run as owner: %', missing;
  END IF;

  IF NOT EXISTS (SELECT FROM pg_catalog.pg_publication WHERE pubname = {{ publication|pg_text }}) THEN
    IF current_setting('server_version_num')::int >= 130000 THEN
      CREATE PUBLICATION {{ publication|pg_name }}{% if tables.is_empty() %} FOR ALL TABLES{% endif %} WITH (publish_via_partition_root = true);
    ELSE
      CREATE PUBLICATION {{ publication|pg_name }}{% if tables.is_empty() %} FOR ALL TABLES{% endif %};
    END IF;
  END IF;
  FOREACH t IN ARRAY tables LOOP
    IF NOT EXISTS (
      SELECT FROM pg_catalog.pg_publication p
      LEFT JOIN pg_catalog.pg_publication_rel r ON r.prpubid = p.oid AND r.prrelid = t
      WHERE p.pubname = {{ publication|pg_text }} AND (p.puballtables OR r.prrelid IS NOT NULL)
    ) THEN
      EXECUTE format('ALTER PUBLICATION %I ADD TABLE %s', {{ publication|pg_text }}, t);
    END IF;
  END LOOP;
END
${{ tag }}$;
{%- endif %}

COMMIT;
