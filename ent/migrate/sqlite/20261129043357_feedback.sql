-- Create "query_scores" table
CREATE TABLE `query_scores` (`id` text NOT NULL, `query_id` text NOT NULL, `sticker_id` text NOT NULL, `owner_id` text NOT NULL DEFAULT (''), `positives` integer NOT NULL DEFAULT (0), `negatives` integer NOT NULL DEFAULT (0), `weight_pos` real NOT NULL DEFAULT (0), `weight_neg` real NOT NULL DEFAULT (0), `updated_at` datetime NOT NULL, PRIMARY KEY (`id`));
-- Create index "queryscore_query_id_updated_at_id" to table: "query_scores"
CREATE INDEX `queryscore_query_id_updated_at_id` ON `query_scores` (`query_id`, `updated_at`, `id`);
-- Create index "queryscore_sticker_id_updated_at_id" to table: "query_scores"
CREATE INDEX `queryscore_sticker_id_updated_at_id` ON `query_scores` (`sticker_id`, `updated_at`, `id`);
-- Create index "query_score_updated" to table: "query_scores"
CREATE INDEX `query_score_updated` ON `query_scores` (`updated_at`, `id`) WHERE owner_id = '';
-- Create "search_hours" table
CREATE TABLE `search_hours` (`id` integer NOT NULL PRIMARY KEY AUTOINCREMENT, `searches` integer NOT NULL DEFAULT (0), `empty` integer NOT NULL DEFAULT (0), `degraded` integer NOT NULL DEFAULT (0), `votes` integer NOT NULL DEFAULT (0), `chosen` integer NOT NULL DEFAULT (0));
-- Create "search_queries" table
CREATE TABLE `search_queries` (`id` text NOT NULL, `created_at` datetime NOT NULL, `text` text NOT NULL, `text_key` blob NOT NULL, `usage` integer NOT NULL DEFAULT (0), `empty` integer NOT NULL DEFAULT (0), `chosen` integer NOT NULL DEFAULT (0), `votes` integer NOT NULL DEFAULT (0), `positives` integer NOT NULL DEFAULT (0), `negatives` integer NOT NULL DEFAULT (0), `last_at` datetime NOT NULL, `last_empty` bool NOT NULL DEFAULT (false), `listed` bool NOT NULL DEFAULT (false), PRIMARY KEY (`id`));
-- Create index "searchquery_text_key" to table: "search_queries"
CREATE INDEX `searchquery_text_key` ON `search_queries` (`text_key`);
-- Create index "search_query_usage" to table: "search_queries"
CREATE INDEX `search_query_usage` ON `search_queries` (`usage`, `id`) WHERE listed;
-- Create index "search_query_last" to table: "search_queries"
CREATE INDEX `search_query_last` ON `search_queries` (`last_at`, `id`);
-- Create index "search_query_empty" to table: "search_queries"
CREATE INDEX `search_query_empty` ON `search_queries` (`usage`, `id`) WHERE listed AND last_empty;
-- Create index "search_query_disliked" to table: "search_queries"
CREATE INDEX `search_query_disliked` ON `search_queries` (`usage`, `id`) WHERE listed AND negatives > 0 AND positives = 0;
-- Create "sticker_hours" table
CREATE TABLE `sticker_hours` (`id` text NOT NULL, `sticker_id` text NOT NULL, `hour` integer NOT NULL, `chosen` integer NOT NULL DEFAULT (0), `places` integer NOT NULL DEFAULT (0), PRIMARY KEY (`id`));
-- Create index "stickerhour_sticker_id_hour" to table: "sticker_hours"
CREATE INDEX `stickerhour_sticker_id_hour` ON `sticker_hours` (`sticker_id`, `hour`);
-- Create index "stickerhour_hour" to table: "sticker_hours"
CREATE INDEX `stickerhour_hour` ON `sticker_hours` (`hour`);
-- Create "votes" table
CREATE TABLE `votes` (`id` text NOT NULL, `voter` text NOT NULL, `query_id` text NOT NULL, `sticker_id` text NOT NULL, `value` integer NOT NULL, `at` datetime NOT NULL, `reports` integer NOT NULL DEFAULT (1), PRIMARY KEY (`id`));
-- Create index "vote_voter_id" to table: "votes"
CREATE INDEX `vote_voter_id` ON `votes` (`voter`, `id`);
-- Create index "vote_sticker_id" to table: "votes"
CREATE INDEX `vote_sticker_id` ON `votes` (`sticker_id`);
