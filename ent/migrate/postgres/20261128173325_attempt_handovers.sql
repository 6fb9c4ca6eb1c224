-- Modify "attempts" table
ALTER TABLE "attempts" ADD COLUMN "earlier_workers" jsonb NULL;
