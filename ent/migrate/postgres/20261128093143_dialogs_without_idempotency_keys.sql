-- Modify "dialog_messages" table
ALTER TABLE "dialog_messages" DROP COLUMN "idempotency_key";
-- Modify "dialogs" table
ALTER TABLE "dialogs" DROP COLUMN "idempotency_key";
