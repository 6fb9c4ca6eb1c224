-- Disable the enforcement of foreign-keys constraints
PRAGMA foreign_keys = off;
-- Create "new_dialogs" table
CREATE TABLE `new_dialogs` (`id` text NOT NULL, `created_at` datetime NOT NULL, `dialog_id` integer NOT NULL, `customer_id` integer NOT NULL, `owner_id` text NOT NULL, `language` text NOT NULL, `text` text NOT NULL, `approved` bool NOT NULL DEFAULT (false), `approved_at` datetime NULL, PRIMARY KEY (`id`));
-- Copy rows from old table "dialogs" to new temporary table "new_dialogs"
INSERT INTO `new_dialogs` (`id`, `created_at`, `dialog_id`, `customer_id`, `owner_id`, `language`, `text`, `approved`, `approved_at`) SELECT `id`, `created_at`, `dialog_id`, `customer_id`, `owner_id`, `language`, `text`, `approved`, `approved_at` FROM `dialogs`;
-- Drop "dialogs" table after copying rows
DROP TABLE `dialogs`;
-- Rename temporary table "new_dialogs" to "dialogs"
ALTER TABLE `new_dialogs` RENAME TO `dialogs`;
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
-- Create "new_dialog_messages" table
CREATE TABLE `new_dialog_messages` (`id` text NOT NULL, `created_at` datetime NOT NULL, `text` text NOT NULL, `parent_id` text NOT NULL, PRIMARY KEY (`id`), CONSTRAINT `dialog_messages_dialogs_messages` FOREIGN KEY (`parent_id`) REFERENCES `dialogs` (`id`) ON DELETE CASCADE);
-- Copy rows from old table "dialog_messages" to new temporary table "new_dialog_messages"
INSERT INTO `new_dialog_messages` (`id`, `created_at`, `text`, `parent_id`) SELECT `id`, `created_at`, `text`, `parent_id` FROM `dialog_messages`;
-- Drop "dialog_messages" table after copying rows
DROP TABLE `dialog_messages`;
-- Rename temporary table "new_dialog_messages" to "dialog_messages"
ALTER TABLE `new_dialog_messages` RENAME TO `dialog_messages`;
-- Create index "dialogmessage_parent_id_created_at_id" to table: "dialog_messages"
CREATE INDEX `dialogmessage_parent_id_created_at_id` ON `dialog_messages` (`parent_id`, `created_at`, `id`);
-- Enable back the enforcement of foreign-keys constraints
PRAGMA foreign_keys = on;
