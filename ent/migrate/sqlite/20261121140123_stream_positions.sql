-- Create "stream_positions" table
CREATE TABLE `stream_positions` (`id` integer NOT NULL PRIMARY KEY AUTOINCREMENT, `owner_id` text NOT NULL, `name` text NOT NULL, `epoch` text NOT NULL, `position` integer NOT NULL, `updated_at` datetime NOT NULL);
-- Create index "streamposition_owner_id_name" to table: "stream_positions"
CREATE UNIQUE INDEX `streamposition_owner_id_name` ON `stream_positions` (`owner_id`, `name`);
-- Create index "streamposition_updated_at" to table: "stream_positions"
CREATE INDEX `streamposition_updated_at` ON `stream_positions` (`updated_at`);
