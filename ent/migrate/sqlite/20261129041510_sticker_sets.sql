-- Create "sticker_sets" table
CREATE TABLE `sticker_sets` (`id` text NOT NULL, `done` integer NOT NULL DEFAULT (0), PRIMARY KEY (`id`));
