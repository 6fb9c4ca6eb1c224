-- Add column "earlier_workers" to table: "attempts"
ALTER TABLE `attempts` ADD COLUMN `earlier_workers` json NULL;
