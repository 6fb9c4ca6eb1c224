-- Create index "eventrow_waiting" to table: "events"
CREATE INDEX `eventrow_waiting` ON `events` (`id`) WHERE position IS NULL;
