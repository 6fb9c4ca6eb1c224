-- Disable the enforcement of foreign-keys constraints
PRAGMA foreign_keys = off;
-- Create "new_translations" table
CREATE TABLE `new_translations` (`id` text NOT NULL, `created_at` datetime NOT NULL, `updated_at` datetime NOT NULL, `owner_id` text NOT NULL, `language` text NOT NULL, `text_version` integer NOT NULL, `state` text NOT NULL DEFAULT ('PENDING'), `text` text NULL, `model` text NULL, `alternatives` json NULL, `job_id` text NOT NULL, `glossary` text NOT NULL DEFAULT (''), `version` integer NOT NULL DEFAULT (1), `note_id` text NOT NULL, PRIMARY KEY (`id`), CONSTRAINT `translations_notes_translations` FOREIGN KEY (`note_id`) REFERENCES `notes` (`id`) ON DELETE CASCADE);
-- Copy rows from old table "translations" to new temporary table "new_translations"
INSERT INTO `new_translations` (`id`, `created_at`, `updated_at`, `owner_id`, `language`, `text_version`, `state`, `text`, `model`, `alternatives`, `job_id`, `version`, `note_id`) SELECT `id`, `created_at`, `updated_at`, `owner_id`, `language`, `text_version`, `state`, `text`, `model`, `alternatives`, `job_id`, `version`, `note_id` FROM `translations`;
-- Drop "translations" table after copying rows
DROP TABLE `translations`;
-- Rename temporary table "new_translations" to "translations"
ALTER TABLE `new_translations` RENAME TO `translations`;
-- Create index "translation_note_id_language_text_version" to table: "translations"
CREATE UNIQUE INDEX `translation_note_id_language_text_version` ON `translations` (`note_id`, `language`, `text_version`);
-- Create index "translation_owner_id_language_state" to table: "translations"
CREATE INDEX `translation_owner_id_language_state` ON `translations` (`owner_id`, `language`, `state`);
-- Create "glossaries" table
CREATE TABLE `glossaries` (`id` text NOT NULL, `created_at` datetime NOT NULL, `updated_at` datetime NOT NULL, `owner_id` text NOT NULL, `source` text NOT NULL, `target` text NOT NULL, `terms` json NOT NULL, PRIMARY KEY (`id`));
-- Create index "glossary_owner_id_source_target" to table: "glossaries"
CREATE UNIQUE INDEX `glossary_owner_id_source_target` ON `glossaries` (`owner_id`, `source`, `target`);
-- Enable back the enforcement of foreign-keys constraints
PRAGMA foreign_keys = on;
