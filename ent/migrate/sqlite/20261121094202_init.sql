-- Create "api_keys" table
CREATE TABLE `api_keys` (`id` text NOT NULL, `created_at` datetime NOT NULL, `owner_id` text NOT NULL, `name` text NOT NULL, `key_hash` blob NOT NULL, `scopes` json NOT NULL, `last_used_at` datetime NULL, `revoked_at` datetime NULL, PRIMARY KEY (`id`));
-- Create index "api_keys_key_hash_key" to table: "api_keys"
CREATE UNIQUE INDEX `api_keys_key_hash_key` ON `api_keys` (`key_hash`);
-- Create index "apikey_owner_id" to table: "api_keys"
CREATE INDEX `apikey_owner_id` ON `api_keys` (`owner_id`);
-- Create "attempts" table
CREATE TABLE `attempts` (`id` text NOT NULL, `run_id` text NOT NULL, `number` integer NOT NULL, `worker` text NOT NULL, `started_at` datetime NOT NULL, `ended_at` datetime NULL, `outcome` text NOT NULL DEFAULT ('RUNNING'), `error_code` text NULL, `reason` text NULL, PRIMARY KEY (`id`));
-- Create index "attempt_run_id_number" to table: "attempts"
CREATE UNIQUE INDEX `attempt_run_id_number` ON `attempts` (`run_id`, `number`);
-- Create "event_log" table
CREATE TABLE `event_log` (`id` integer NOT NULL PRIMARY KEY AUTOINCREMENT, `epoch` text NOT NULL, `trimmed` integer NOT NULL DEFAULT (0));
-- Create "events" table
CREATE TABLE `events` (`id` integer NOT NULL PRIMARY KEY AUTOINCREMENT, `position` integer NULL, `shard` integer NOT NULL, `audience` text NOT NULL, `topic` text NOT NULL, `type` text NOT NULL, `object_id` text NOT NULL, `parent_id` text NOT NULL DEFAULT (''), `version` integer NOT NULL, `state` text NOT NULL DEFAULT (''), `created_at` datetime NOT NULL);
-- Create index "events_position_key" to table: "events"
CREATE UNIQUE INDEX `events_position_key` ON `events` (`position`);
-- Create index "eventrow_audience_position" to table: "events"
CREATE INDEX `eventrow_audience_position` ON `events` (`audience`, `position`);
-- Create index "eventrow_shard_position" to table: "events"
CREATE INDEX `eventrow_shard_position` ON `events` (`shard`, `position`);
-- Create index "eventrow_created_at" to table: "events"
CREATE INDEX `eventrow_created_at` ON `events` (`created_at`);
-- Create "idempotency_keys" table
CREATE TABLE `idempotency_keys` (`id` text NOT NULL, `created_at` datetime NOT NULL, `owner_id` text NOT NULL, `operation` text NOT NULL, `key` text NOT NULL, `fingerprint` text NOT NULL, `answer` json NOT NULL, `position` integer NOT NULL, PRIMARY KEY (`id`));
-- Create index "idempotencykey_owner_id_operation_key" to table: "idempotency_keys"
CREATE UNIQUE INDEX `idempotencykey_owner_id_operation_key` ON `idempotency_keys` (`owner_id`, `operation`, `key`);
-- Create index "idempotencykey_created_at" to table: "idempotency_keys"
CREATE INDEX `idempotencykey_created_at` ON `idempotency_keys` (`created_at`);
-- Create "jobs" table
CREATE TABLE `jobs` (`id` text NOT NULL, `created_at` datetime NOT NULL, `updated_at` datetime NOT NULL, `owner_id` text NOT NULL, `kind` text NOT NULL, `subject_id` text NOT NULL, `parent_id` text NOT NULL, `lane` text NOT NULL, `run_id` text NOT NULL, `earlier_runs` json NULL, `state` text NOT NULL DEFAULT ('QUEUED'), `attempt` integer NOT NULL DEFAULT (0), `attempt_base` integer NOT NULL DEFAULT (0), `max_attempts` integer NOT NULL, `run_at` datetime NOT NULL, `error_code` text NULL, `error_message` text NULL, `finished_at` datetime NULL, `version` integer NOT NULL DEFAULT (1), PRIMARY KEY (`id`));
-- Create index "job_owner_id_created_at_id" to table: "jobs"
CREATE INDEX `job_owner_id_created_at_id` ON `jobs` (`owner_id`, `created_at`, `id`);
-- Create index "job_run_id" to table: "jobs"
CREATE INDEX `job_run_id` ON `jobs` (`run_id`);
-- Create index "job_parent_id" to table: "jobs"
CREATE INDEX `job_parent_id` ON `jobs` (`parent_id`);
-- Create index "job_owner_active" to table: "jobs"
CREATE INDEX `job_owner_active` ON `jobs` (`owner_id`) WHERE state = 'QUEUED' OR state = 'RUNNING';
-- Create "notes" table
CREATE TABLE `notes` (`id` text NOT NULL, `created_at` datetime NOT NULL, `updated_at` datetime NOT NULL, `owner_id` text NOT NULL, `title` text NOT NULL, `title_key` blob NOT NULL, `text` text NOT NULL, `search_key` text NOT NULL, `language` text NOT NULL, `version` integer NOT NULL DEFAULT (1), `text_version` integer NOT NULL DEFAULT (1), `revision` integer NOT NULL DEFAULT (1), PRIMARY KEY (`id`));
-- Create index "note_owner_id_created_at_id" to table: "notes"
CREATE INDEX `note_owner_id_created_at_id` ON `notes` (`owner_id`, `created_at`, `id`);
-- Create index "note_owner_id_updated_at_id" to table: "notes"
CREATE INDEX `note_owner_id_updated_at_id` ON `notes` (`owner_id`, `updated_at`, `id`);
-- Create index "note_owner_id_title_key_id" to table: "notes"
CREATE INDEX `note_owner_id_title_key_id` ON `notes` (`owner_id`, `title_key`, `id`);
-- Create index "note_owner_id_language" to table: "notes"
CREATE INDEX `note_owner_id_language` ON `notes` (`owner_id`, `language`);
-- Create "outbox" table
CREATE TABLE `outbox` (`id` integer NOT NULL PRIMARY KEY AUTOINCREMENT, `action` text NOT NULL, `run_id` text NOT NULL, `attempt` integer NOT NULL, `run_at` datetime NOT NULL);
-- Create index "outbox_run_at_id" to table: "outbox"
CREATE INDEX `outbox_run_at_id` ON `outbox` (`run_at`, `id`);
-- Create index "outbox_run_id" to table: "outbox"
CREATE INDEX `outbox_run_id` ON `outbox` (`run_id`);
-- Create "refresh_tokens" table
CREATE TABLE `refresh_tokens` (`id` text NOT NULL, `created_at` datetime NOT NULL, `user_id` text NOT NULL, `session_id` text NOT NULL, `token_hash` blob NOT NULL, `expires_at` datetime NOT NULL, `used_at` datetime NULL, `revoked_at` datetime NULL, PRIMARY KEY (`id`));
-- Create index "refresh_tokens_token_hash_key" to table: "refresh_tokens"
CREATE UNIQUE INDEX `refresh_tokens_token_hash_key` ON `refresh_tokens` (`token_hash`);
-- Create index "refreshtoken_session_id" to table: "refresh_tokens"
CREATE INDEX `refreshtoken_session_id` ON `refresh_tokens` (`session_id`);
-- Create index "refreshtoken_user_id" to table: "refresh_tokens"
CREATE INDEX `refreshtoken_user_id` ON `refresh_tokens` (`user_id`);
-- Create index "refreshtoken_expires_at" to table: "refresh_tokens"
CREATE INDEX `refreshtoken_expires_at` ON `refresh_tokens` (`expires_at`);
-- Create "runs" table
CREATE TABLE `runs` (`id` text NOT NULL, `created_at` datetime NOT NULL, `updated_at` datetime NOT NULL, `kind` text NOT NULL, `pool` text NOT NULL DEFAULT (''), `lane` text NOT NULL, `payload` json NOT NULL, `active_key` text NULL, `state` text NOT NULL DEFAULT ('QUEUED'), `attempt` integer NOT NULL DEFAULT (1), `max_attempts` integer NOT NULL, `run_at` datetime NOT NULL, `published_at` datetime NULL, `heartbeat_at` datetime NULL, `worker` text NULL, PRIMARY KEY (`id`));
-- Create index "runs_active_key_key" to table: "runs"
CREATE UNIQUE INDEX `runs_active_key_key` ON `runs` (`active_key`);
-- Create index "run_heartbeat_at" to table: "runs"
CREATE INDEX `run_heartbeat_at` ON `runs` (`heartbeat_at`) WHERE state = 'RUNNING';
-- Create index "run_published_at" to table: "runs"
CREATE INDEX `run_published_at` ON `runs` (`published_at`) WHERE state = 'QUEUED';
-- Create "translations" table
CREATE TABLE `translations` (`id` text NOT NULL, `created_at` datetime NOT NULL, `updated_at` datetime NOT NULL, `owner_id` text NOT NULL, `language` text NOT NULL, `text_version` integer NOT NULL, `state` text NOT NULL DEFAULT ('PENDING'), `text` text NULL, `model` text NULL, `job_id` text NOT NULL, `version` integer NOT NULL DEFAULT (1), `note_id` text NOT NULL, PRIMARY KEY (`id`), CONSTRAINT `translations_notes_translations` FOREIGN KEY (`note_id`) REFERENCES `notes` (`id`) ON DELETE CASCADE);
-- Create index "translation_note_id_language_text_version" to table: "translations"
CREATE UNIQUE INDEX `translation_note_id_language_text_version` ON `translations` (`note_id`, `language`, `text_version`);
-- Create index "translation_owner_id_language_state" to table: "translations"
CREATE INDEX `translation_owner_id_language_state` ON `translations` (`owner_id`, `language`, `state`);
-- Create "users" table
CREATE TABLE `users` (`id` text NOT NULL, `created_at` datetime NOT NULL, `updated_at` datetime NOT NULL, `email` text NOT NULL, `email_key` text NOT NULL, `password_hash` text NOT NULL, `role` text NOT NULL DEFAULT ('USER'), PRIMARY KEY (`id`));
-- Create index "users_email_key_key" to table: "users"
CREATE UNIQUE INDEX `users_email_key_key` ON `users` (`email_key`);
-- Create "worker_announcements" table
CREATE TABLE `worker_announcements` (`id` text NOT NULL, `seen_at` datetime NOT NULL, `announcement` json NOT NULL, PRIMARY KEY (`id`));
