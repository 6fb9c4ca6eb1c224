-- Disable the enforcement of foreign-keys constraints
PRAGMA foreign_keys = off;
-- Create "new_api_keys" table
CREATE TABLE `new_api_keys` (`id` text NOT NULL, `created_at` datetime NOT NULL, `owner_id` text NOT NULL, `name` text NOT NULL, `key_hash` blob NOT NULL, `hint` text NOT NULL DEFAULT (''), `scopes` json NOT NULL, `expires_at` datetime NULL, `last_used_at` datetime NULL, `revoked_at` datetime NULL, PRIMARY KEY (`id`));
-- Copy rows from old table "api_keys" to new temporary table "new_api_keys"
INSERT INTO `new_api_keys` (`id`, `created_at`, `owner_id`, `name`, `key_hash`, `scopes`, `last_used_at`, `revoked_at`) SELECT `id`, `created_at`, `owner_id`, `name`, `key_hash`, `scopes`, `last_used_at`, `revoked_at` FROM `api_keys`;
-- Drop "api_keys" table after copying rows
DROP TABLE `api_keys`;
-- Rename temporary table "new_api_keys" to "api_keys"
ALTER TABLE `new_api_keys` RENAME TO `api_keys`;
-- Create index "api_keys_key_hash_key" to table: "api_keys"
CREATE UNIQUE INDEX `api_keys_key_hash_key` ON `api_keys` (`key_hash`);
-- Create index "apikey_owner_id_created_at_id" to table: "api_keys"
CREATE INDEX `apikey_owner_id_created_at_id` ON `api_keys` (`owner_id`, `created_at`, `id`);
-- Create "audit_entries" table
CREATE TABLE `audit_entries` (`id` text NOT NULL, `created_at` datetime NOT NULL, `reader_id` text NOT NULL, `key_id` text NULL, `action` text NOT NULL, `dialogs` blob NOT NULL, PRIMARY KEY (`id`));
-- Create index "auditentry_created_at_id" to table: "audit_entries"
CREATE INDEX `auditentry_created_at_id` ON `audit_entries` (`created_at`, `id`);
-- Create index "auditentry_reader_id_created_at_id" to table: "audit_entries"
CREATE INDEX `auditentry_reader_id_created_at_id` ON `audit_entries` (`reader_id`, `created_at`, `id`);
-- Create "consent_changes" table
CREATE TABLE `consent_changes` (`id` text NOT NULL, `created_at` datetime NOT NULL, `dialog_id` integer NOT NULL, `owner_id` text NOT NULL, `state` text NOT NULL, `actor_id` text NOT NULL, `key_id` text NULL, PRIMARY KEY (`id`));
-- Create index "consentchange_dialog_id_created_at_id" to table: "consent_changes"
CREATE INDEX `consentchange_dialog_id_created_at_id` ON `consent_changes` (`dialog_id`, `created_at`, `id`);
-- Create "conversations" table
CREATE TABLE `conversations` (`id` text NOT NULL, `created_at` datetime NOT NULL, `user_id` text NOT NULL, `language` text NULL, PRIMARY KEY (`id`));
-- Create index "conversation_user_id_created_at_id" to table: "conversations"
CREATE INDEX `conversation_user_id_created_at_id` ON `conversations` (`user_id`, `created_at`, `id`);
-- Create "dialogs" table
CREATE TABLE `dialogs` (`id` text NOT NULL, `created_at` datetime NOT NULL, `dialog_id` integer NOT NULL, `customer_id` integer NOT NULL, `owner_id` text NOT NULL, `language` text NOT NULL, `text` text NOT NULL, `approved` bool NOT NULL DEFAULT (false), `approved_at` datetime NULL, `idempotency_key` text NULL, PRIMARY KEY (`id`));
-- Create index "dialogs_dialog_id_key" to table: "dialogs"
CREATE UNIQUE INDEX `dialogs_dialog_id_key` ON `dialogs` (`dialog_id`);
-- Create index "dialog_approved" to table: "dialogs"
CREATE INDEX `dialog_approved` ON `dialogs` (`created_at`, `id`) WHERE approved;
-- Create index "dialog_approved_language" to table: "dialogs"
CREATE INDEX `dialog_approved_language` ON `dialogs` (`language`, `created_at`, `id`) WHERE approved;
-- Create index "dialog_approved_customer" to table: "dialogs"
CREATE INDEX `dialog_approved_customer` ON `dialogs` (`customer_id`, `created_at`, `id`) WHERE approved;
-- Create index "dialog_waiting" to table: "dialogs"
CREATE INDEX `dialog_waiting` ON `dialogs` (`created_at`) WHERE NOT approved;
-- Create index "dialog_waiting_customer" to table: "dialogs"
CREATE INDEX `dialog_waiting_customer` ON `dialogs` (`customer_id`, `owner_id`) WHERE NOT approved;
-- Create index "dialog_owner_id_idempotency_key" to table: "dialogs"
CREATE UNIQUE INDEX `dialog_owner_id_idempotency_key` ON `dialogs` (`owner_id`, `idempotency_key`) WHERE idempotency_key IS NOT NULL;
-- Create "dialog_messages" table
CREATE TABLE `dialog_messages` (`id` text NOT NULL, `created_at` datetime NOT NULL, `text` text NOT NULL, `idempotency_key` text NULL, `parent_id` text NOT NULL, PRIMARY KEY (`id`), CONSTRAINT `dialog_messages_dialogs_messages` FOREIGN KEY (`parent_id`) REFERENCES `dialogs` (`id`) ON DELETE CASCADE);
-- Create index "dialogmessage_parent_id_created_at_id" to table: "dialog_messages"
CREATE INDEX `dialogmessage_parent_id_created_at_id` ON `dialog_messages` (`parent_id`, `created_at`, `id`);
-- Create index "dialogmessage_parent_id_idempotency_key" to table: "dialog_messages"
CREATE UNIQUE INDEX `dialogmessage_parent_id_idempotency_key` ON `dialog_messages` (`parent_id`, `idempotency_key`) WHERE idempotency_key IS NOT NULL;
-- Create "dialog_tombstones" table
CREATE TABLE `dialog_tombstones` (`id` integer NOT NULL PRIMARY KEY AUTOINCREMENT, `owner_id` text NOT NULL, `erased_at` datetime NOT NULL);
-- Create "error_frequencies" table
CREATE TABLE `error_frequencies` (`id` text NOT NULL, `user_id` text NOT NULL, `category` text NOT NULL, `subcategory` text NOT NULL, `pair` blob NOT NULL, `frequency` integer NOT NULL DEFAULT (0), `last_at` datetime NOT NULL, PRIMARY KEY (`id`));
-- Create index "errorfrequency_user_id_frequency_pair" to table: "error_frequencies"
CREATE INDEX `errorfrequency_user_id_frequency_pair` ON `error_frequencies` (`user_id`, `frequency` DESC, `pair`);
-- Create "external_users" table
CREATE TABLE `external_users` (`id` text NOT NULL, `created_at` datetime NOT NULL, `owner_id` text NOT NULL, `external_id` text NOT NULL, PRIMARY KEY (`id`));
-- Create index "externaluser_owner_id_external_id" to table: "external_users"
CREATE UNIQUE INDEX `externaluser_owner_id_external_id` ON `external_users` (`owner_id`, `external_id`);
-- Create "learner_errors" table
CREATE TABLE `learner_errors` (`id` text NOT NULL, `created_at` datetime NOT NULL, `user_id` text NOT NULL, `utterance_id` text NOT NULL, `client_key` text NOT NULL, `ordinal` integer NOT NULL, `category` text NOT NULL, `subcategory` text NOT NULL, `start_offset` integer NULL, `end_offset` integer NULL, `source` text NOT NULL DEFAULT ('LEARNER_APP'), PRIMARY KEY (`id`));
-- Create index "learnererror_utterance_id_client_key_ordinal" to table: "learner_errors"
CREATE UNIQUE INDEX `learnererror_utterance_id_client_key_ordinal` ON `learner_errors` (`utterance_id`, `client_key`, `ordinal`);
-- Create index "learnererror_user_id_created_at" to table: "learner_errors"
CREATE INDEX `learnererror_user_id_created_at` ON `learner_errors` (`user_id`, `created_at`);
-- Create "utterances" table
CREATE TABLE `utterances` (`id` text NOT NULL, `created_at` datetime NOT NULL, `user_id` text NOT NULL, `text` text NOT NULL, `client_key` text NULL, `conversation_id` text NOT NULL, PRIMARY KEY (`id`), CONSTRAINT `utterances_conversations_utterances` FOREIGN KEY (`conversation_id`) REFERENCES `conversations` (`id`) ON DELETE CASCADE);
-- Create index "utterance_conversation_id_created_at_id" to table: "utterances"
CREATE INDEX `utterance_conversation_id_created_at_id` ON `utterances` (`conversation_id`, `created_at`, `id`);
-- Create index "utterance_conversation_id_client_key" to table: "utterances"
CREATE UNIQUE INDEX `utterance_conversation_id_client_key` ON `utterances` (`conversation_id`, `client_key`);
-- Enable back the enforcement of foreign-keys constraints
PRAGMA foreign_keys = on;
