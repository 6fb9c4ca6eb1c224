-- Create "content_parts" table
CREATE TABLE `content_parts` (`id` text NOT NULL, `created_at` datetime NOT NULL, `updated_at` datetime NOT NULL, `owner_id` text NOT NULL, `kind` text NOT NULL, `state` text NOT NULL DEFAULT ('PENDING'), `job_id` text NOT NULL, `work` json NOT NULL, `text` text NULL, `media_id` text NULL, `recipe` json NULL, `request_id` text NOT NULL, PRIMARY KEY (`id`), CONSTRAINT `content_parts_content_requests_parts` FOREIGN KEY (`request_id`) REFERENCES `content_requests` (`id`) ON DELETE CASCADE);
-- Create index "contentpart_request_id_kind" to table: "content_parts"
CREATE UNIQUE INDEX `contentpart_request_id_kind` ON `content_parts` (`request_id`, `kind`);
-- Create index "contentpart_owner_id" to table: "content_parts"
CREATE INDEX `contentpart_owner_id` ON `content_parts` (`owner_id`);
-- Create "content_requests" table
CREATE TABLE `content_requests` (`id` text NOT NULL, `created_at` datetime NOT NULL, `updated_at` datetime NOT NULL, `owner_id` text NOT NULL, `kind` text NOT NULL, `prompt` text NOT NULL, `state` text NOT NULL DEFAULT ('PENDING'), `origin_id` text NULL, `origin` text NULL, `version` integer NOT NULL DEFAULT (1), PRIMARY KEY (`id`));
-- Create index "contentrequest_owner_id_created_at_id" to table: "content_requests"
CREATE INDEX `contentrequest_owner_id_created_at_id` ON `content_requests` (`owner_id`, `created_at`, `id`);
-- Create index "contentrequest_owner_id_state_created_at_id" to table: "content_requests"
CREATE INDEX `contentrequest_owner_id_state_created_at_id` ON `content_requests` (`owner_id`, `state`, `created_at`, `id`);
