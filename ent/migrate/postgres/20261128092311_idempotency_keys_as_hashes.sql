-- Modify "idempotency_keys" table
ALTER TABLE "idempotency_keys" DROP COLUMN "key", ALTER COLUMN "position" SET DEFAULT 0, ADD COLUMN "about" character varying NULL;
-- Create index "idempotencykey_about" to table: "idempotency_keys"
CREATE INDEX "idempotencykey_about" ON "idempotency_keys" ("about") WHERE (about IS NOT NULL);
