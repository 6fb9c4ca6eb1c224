-- Add column "alternatives" to table: "translations"
ALTER TABLE `translations` ADD COLUMN `alternatives` json NULL;
