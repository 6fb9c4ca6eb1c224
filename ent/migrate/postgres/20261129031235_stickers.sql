-- Create "stickers" table
CREATE TABLE "stickers" ("id" character varying NOT NULL, "created_at" timestamptz NOT NULL, "updated_at" timestamptz NOT NULL, "owner_id" character varying NULL, "visibility" character varying NOT NULL, "scope" character varying NOT NULL DEFAULT '', "name" character varying NOT NULL, "name_key" bytea NOT NULL, "caption" text NOT NULL DEFAULT '', "tags" jsonb NOT NULL, "licence" character varying NULL, "media_id" character varying NOT NULL, "version" bigint NOT NULL DEFAULT 1, PRIMARY KEY ("id"));
-- Create index "sticker_owner_id_created_at_id" to table: "stickers"
CREATE INDEX "sticker_owner_id_created_at_id" ON "stickers" ("owner_id", "created_at", "id");
-- Create index "sticker_scope_name_key" to table: "stickers"
CREATE UNIQUE INDEX "sticker_scope_name_key" ON "stickers" ("scope", "name_key");
-- Create index "sticker_visibility_created_at_id" to table: "stickers"
CREATE INDEX "sticker_visibility_created_at_id" ON "stickers" ("visibility", "created_at", "id");
