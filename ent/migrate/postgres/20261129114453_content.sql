-- Create "content_requests" table
CREATE TABLE "content_requests" ("id" character varying NOT NULL, "created_at" timestamptz NOT NULL, "updated_at" timestamptz NOT NULL, "owner_id" character varying NOT NULL, "kind" character varying NOT NULL, "prompt" text NOT NULL, "state" character varying NOT NULL DEFAULT 'PENDING', "origin_id" character varying NULL, "origin" character varying NULL, "version" bigint NOT NULL DEFAULT 1, PRIMARY KEY ("id"));
-- Create index "contentrequest_owner_id_created_at_id" to table: "content_requests"
CREATE INDEX "contentrequest_owner_id_created_at_id" ON "content_requests" ("owner_id", "created_at", "id");
-- Create index "contentrequest_owner_id_state_created_at_id" to table: "content_requests"
CREATE INDEX "contentrequest_owner_id_state_created_at_id" ON "content_requests" ("owner_id", "state", "created_at", "id");
-- Create "content_parts" table
CREATE TABLE "content_parts" ("id" character varying NOT NULL, "created_at" timestamptz NOT NULL, "updated_at" timestamptz NOT NULL, "owner_id" character varying NOT NULL, "kind" character varying NOT NULL, "state" character varying NOT NULL DEFAULT 'PENDING', "job_id" character varying NOT NULL, "work" jsonb NOT NULL, "text" text NULL, "media_id" character varying NULL, "recipe" jsonb NULL, "request_id" character varying NOT NULL, PRIMARY KEY ("id"), CONSTRAINT "content_parts_content_requests_parts" FOREIGN KEY ("request_id") REFERENCES "content_requests" ("id") ON UPDATE NO ACTION ON DELETE CASCADE);
-- Create index "contentpart_owner_id" to table: "content_parts"
CREATE INDEX "contentpart_owner_id" ON "content_parts" ("owner_id");
-- Create index "contentpart_request_id_kind" to table: "content_parts"
CREATE UNIQUE INDEX "contentpart_request_id_kind" ON "content_parts" ("request_id", "kind");
