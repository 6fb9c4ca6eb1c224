-- Modify "notes" table
ALTER TABLE "notes" ADD COLUMN "format" character varying NOT NULL DEFAULT 'TEXT';
