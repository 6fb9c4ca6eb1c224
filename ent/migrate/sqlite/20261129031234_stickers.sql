-- Create "stickers" table
CREATE TABLE `stickers` (`id` text NOT NULL, `created_at` datetime NOT NULL, `updated_at` datetime NOT NULL, `owner_id` text NULL, `visibility` text NOT NULL, `scope` text NOT NULL DEFAULT (''), `name` text NOT NULL, `name_key` blob NOT NULL, `caption` text NOT NULL DEFAULT (''), `tags` json NOT NULL, `licence` text NULL, `media_id` text NOT NULL, `version` integer NOT NULL DEFAULT (1), PRIMARY KEY (`id`));
-- Create index "sticker_scope_name_key" to table: "stickers"
CREATE UNIQUE INDEX `sticker_scope_name_key` ON `stickers` (`scope`, `name_key`);
-- Create index "sticker_owner_id_created_at_id" to table: "stickers"
CREATE INDEX `sticker_owner_id_created_at_id` ON `stickers` (`owner_id`, `created_at`, `id`);
-- Create index "sticker_visibility_created_at_id" to table: "stickers"
CREATE INDEX `sticker_visibility_created_at_id` ON `stickers` (`visibility`, `created_at`, `id`);
