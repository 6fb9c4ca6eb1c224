-- Create "embeddings" table
CREATE TABLE `embeddings` (`id` integer NOT NULL PRIMARY KEY AUTOINCREMENT, `index_id` text NOT NULL, `source` text NOT NULL, `object_id` text NOT NULL, `side` text NOT NULL, `version` integer NOT NULL DEFAULT (0), `content` text NOT NULL DEFAULT (''), `vector` blob NULL, `failure` text NULL, `tries` integer NOT NULL DEFAULT (0), `retry_at` datetime NULL, `job_id` text NULL, `ordinal` integer NOT NULL DEFAULT (0), `job_version` integer NOT NULL DEFAULT (0), `job_content` text NOT NULL DEFAULT (''));
-- Create index "embedding_index_id_source_object_id_side" to table: "embeddings"
CREATE UNIQUE INDEX `embedding_index_id_source_object_id_side` ON `embeddings` (`index_id`, `source`, `object_id`, `side`);
-- Create index "embedding_object_id" to table: "embeddings"
CREATE INDEX `embedding_object_id` ON `embeddings` (`object_id`);
-- Create index "embedding_job_id" to table: "embeddings"
CREATE INDEX `embedding_job_id` ON `embeddings` (`job_id`) WHERE job_id IS NOT NULL;
-- Create index "embedding_failed" to table: "embeddings"
CREATE INDEX `embedding_failed` ON `embeddings` (`index_id`, `object_id`) WHERE failure IS NOT NULL;
-- Create index "embedding_due" to table: "embeddings"
CREATE INDEX `embedding_due` ON `embeddings` (`index_id`, `retry_at`) WHERE retry_at IS NOT NULL;
-- Create "search_indexes" table
CREATE TABLE `search_indexes` (`id` text NOT NULL, `created_at` datetime NOT NULL, `updated_at` datetime NOT NULL, `model` text NOT NULL, `digest` text NOT NULL, `dimensions` integer NOT NULL, `texts` bool NOT NULL, `pictures` bool NOT NULL, `state` text NOT NULL DEFAULT ('BUILDING'), `total` integer NOT NULL DEFAULT (0), `done` integer NOT NULL DEFAULT (0), `failed` integer NOT NULL DEFAULT (0), `report` json NULL, `ready_at` datetime NULL, `activated_at` datetime NULL, `retired_at` datetime NULL, `version` integer NOT NULL DEFAULT (1), PRIMARY KEY (`id`));
-- Create index "search_indexes_digest_key" to table: "search_indexes"
CREATE UNIQUE INDEX `search_indexes_digest_key` ON `search_indexes` (`digest`);
-- Create index "search_index_active" to table: "search_indexes"
CREATE UNIQUE INDEX `search_index_active` ON `search_indexes` (`state`) WHERE state = 'ACTIVE';
