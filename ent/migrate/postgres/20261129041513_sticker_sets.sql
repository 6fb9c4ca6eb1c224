-- Create "sticker_sets" table
CREATE TABLE "sticker_sets" ("id" character varying NOT NULL, "done" bigint NOT NULL DEFAULT 0, PRIMARY KEY ("id"));
