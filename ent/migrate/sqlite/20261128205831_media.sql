-- Create "loose_objects" table
CREATE TABLE `loose_objects` (`id` text NOT NULL, `since` datetime NOT NULL, PRIMARY KEY (`id`));
-- Create index "looseobject_since" to table: "loose_objects"
CREATE INDEX `looseobject_since` ON `loose_objects` (`since`);
-- Create "media" table
CREATE TABLE `media` (`id` text NOT NULL, `created_at` datetime NOT NULL, `owner_id` text NULL, `visibility` text NOT NULL, `hash` text NOT NULL, `content_type` text NOT NULL, `width` integer NOT NULL, `height` integer NOT NULL, `bytes` integer NOT NULL, `licence` text NULL, PRIMARY KEY (`id`));
-- Create index "media_hash_visibility" to table: "media"
CREATE INDEX `media_hash_visibility` ON `media` (`hash`, `visibility`);
-- Create index "media_owner_id_created_at_id" to table: "media"
CREATE INDEX `media_owner_id_created_at_id` ON `media` (`owner_id`, `created_at`, `id`);
