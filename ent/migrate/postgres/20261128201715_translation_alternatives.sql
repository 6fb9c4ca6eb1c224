-- Modify "translations" table
ALTER TABLE "translations" ADD COLUMN "alternatives" jsonb NULL;
