-- Disable the enforcement of foreign-keys constraints
PRAGMA foreign_keys = off;
-- Create "new_idempotency_keys" table
CREATE TABLE `new_idempotency_keys` (`id` text NOT NULL, `created_at` datetime NOT NULL, `owner_id` text NOT NULL, `operation` text NOT NULL, `fingerprint` text NOT NULL, `answer` json NOT NULL, `position` integer NOT NULL DEFAULT (0), `about` text NULL, PRIMARY KEY (`id`));
-- Copy rows from old table "idempotency_keys" to new temporary table "new_idempotency_keys"
INSERT INTO `new_idempotency_keys` (`id`, `created_at`, `owner_id`, `operation`, `fingerprint`, `answer`, `position`) SELECT `id`, `created_at`, `owner_id`, `operation`, `fingerprint`, `answer`, IFNULL(`position`, (0)) AS `position` FROM `idempotency_keys`;
-- Drop "idempotency_keys" table after copying rows
DROP TABLE `idempotency_keys`;
-- Rename temporary table "new_idempotency_keys" to "idempotency_keys"
ALTER TABLE `new_idempotency_keys` RENAME TO `idempotency_keys`;
-- Create index "idempotencykey_created_at" to table: "idempotency_keys"
CREATE INDEX `idempotencykey_created_at` ON `idempotency_keys` (`created_at`);
-- Create index "idempotencykey_about" to table: "idempotency_keys"
CREATE INDEX `idempotencykey_about` ON `idempotency_keys` (`about`) WHERE about IS NOT NULL;
-- Enable back the enforcement of foreign-keys constraints
PRAGMA foreign_keys = on;
