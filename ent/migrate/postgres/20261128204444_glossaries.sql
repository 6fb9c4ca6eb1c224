-- Modify "translations" table
ALTER TABLE "translations" ADD COLUMN "glossary" character varying NOT NULL DEFAULT '';
-- Create "glossaries" table
CREATE TABLE "glossaries" ("id" character varying NOT NULL, "created_at" timestamptz NOT NULL, "updated_at" timestamptz NOT NULL, "owner_id" character varying NOT NULL, "source" character varying NOT NULL, "target" character varying NOT NULL, "terms" jsonb NOT NULL, PRIMARY KEY ("id"));
-- Create index "glossary_owner_id_source_target" to table: "glossaries"
CREATE UNIQUE INDEX "glossary_owner_id_source_target" ON "glossaries" ("owner_id", "source", "target");
