-- Create "loose_objects" table
CREATE TABLE "loose_objects" ("id" character varying NOT NULL, "since" timestamptz NOT NULL, PRIMARY KEY ("id"));
-- Create index "looseobject_since" to table: "loose_objects"
CREATE INDEX "looseobject_since" ON "loose_objects" ("since");
-- Create "media" table
CREATE TABLE "media" ("id" character varying NOT NULL, "created_at" timestamptz NOT NULL, "owner_id" character varying NULL, "visibility" character varying NOT NULL, "hash" character varying NOT NULL, "content_type" character varying NOT NULL, "width" bigint NOT NULL, "height" bigint NOT NULL, "bytes" bigint NOT NULL, "licence" character varying NULL, PRIMARY KEY ("id"));
-- Create index "media_hash_visibility" to table: "media"
CREATE INDEX "media_hash_visibility" ON "media" ("hash", "visibility");
-- Create index "media_owner_id_created_at_id" to table: "media"
CREATE INDEX "media_owner_id_created_at_id" ON "media" ("owner_id", "created_at", "id");
