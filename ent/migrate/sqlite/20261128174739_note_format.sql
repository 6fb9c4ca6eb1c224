-- Disable the enforcement of foreign-keys constraints
PRAGMA foreign_keys = off;
-- Create "new_notes" table
CREATE TABLE `new_notes` (`id` text NOT NULL, `created_at` datetime NOT NULL, `updated_at` datetime NOT NULL, `owner_id` text NOT NULL, `title` text NOT NULL, `title_key` blob NOT NULL, `text` text NOT NULL, `search_key` text NOT NULL, `language` text NOT NULL, `format` text NOT NULL DEFAULT ('TEXT'), `version` integer NOT NULL DEFAULT (1), `text_version` integer NOT NULL DEFAULT (1), `revision` integer NOT NULL DEFAULT (1), PRIMARY KEY (`id`));
-- Copy rows from old table "notes" to new temporary table "new_notes"
INSERT INTO `new_notes` (`id`, `created_at`, `updated_at`, `owner_id`, `title`, `title_key`, `text`, `search_key`, `language`, `version`, `text_version`, `revision`) SELECT `id`, `created_at`, `updated_at`, `owner_id`, `title`, `title_key`, `text`, `search_key`, `language`, `version`, `text_version`, `revision` FROM `notes`;
-- Drop "notes" table after copying rows
DROP TABLE `notes`;
-- Rename temporary table "new_notes" to "notes"
ALTER TABLE `new_notes` RENAME TO `notes`;
-- Create index "note_owner_id_created_at_id" to table: "notes"
CREATE INDEX `note_owner_id_created_at_id` ON `notes` (`owner_id`, `created_at`, `id`);
-- Create index "note_owner_id_updated_at_id" to table: "notes"
CREATE INDEX `note_owner_id_updated_at_id` ON `notes` (`owner_id`, `updated_at`, `id`);
-- Create index "note_owner_id_title_key_id" to table: "notes"
CREATE INDEX `note_owner_id_title_key_id` ON `notes` (`owner_id`, `title_key`, `id`);
-- Create index "note_owner_id_language" to table: "notes"
CREATE INDEX `note_owner_id_language` ON `notes` (`owner_id`, `language`);
-- Enable back the enforcement of foreign-keys constraints
PRAGMA foreign_keys = on;
