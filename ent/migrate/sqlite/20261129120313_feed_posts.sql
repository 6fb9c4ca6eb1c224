-- Create "blocks" table
CREATE TABLE `blocks` (`id` integer NOT NULL PRIMARY KEY AUTOINCREMENT, `created_at` datetime NOT NULL, `blocker_id` text NOT NULL, `blocked_id` text NOT NULL);
-- Create index "block_blocker_id_blocked_id" to table: "blocks"
CREATE UNIQUE INDEX `block_blocker_id_blocked_id` ON `blocks` (`blocker_id`, `blocked_id`);
-- Create index "block_blocked_id_blocker_id" to table: "blocks"
CREATE INDEX `block_blocked_id_blocker_id` ON `blocks` (`blocked_id`, `blocker_id`);
-- Create "feed_authors" table
CREATE TABLE `feed_authors` (`id` text NOT NULL, `followers` integer NOT NULL DEFAULT (0), PRIMARY KEY (`id`));
-- Create "feed_marks" table
CREATE TABLE `feed_marks` (`id` text NOT NULL, `until` datetime NOT NULL, `marked_at` datetime NOT NULL, PRIMARY KEY (`id`));
-- Create "follows" table
CREATE TABLE `follows` (`id` integer NOT NULL PRIMARY KEY AUTOINCREMENT, `created_at` datetime NOT NULL, `follower_id` text NOT NULL, `followee_id` text NOT NULL, `merged` bool NOT NULL DEFAULT (false));
-- Create index "follow_follower_id_followee_id" to table: "follows"
CREATE UNIQUE INDEX `follow_follower_id_followee_id` ON `follows` (`follower_id`, `followee_id`);
-- Create index "follow_followee_id_follower_id" to table: "follows"
CREATE INDEX `follow_followee_id_follower_id` ON `follows` (`followee_id`, `follower_id`);
-- Create index "follow_merged" to table: "follows"
CREATE INDEX `follow_merged` ON `follows` (`follower_id`) WHERE merged;
-- Create index "follow_copied" to table: "follows"
CREATE INDEX `follow_copied` ON `follows` (`followee_id`) WHERE NOT merged;
-- Create "posts" table
CREATE TABLE `posts` (`id` text NOT NULL, `created_at` datetime NOT NULL, `author_id` text NOT NULL, `title` text NOT NULL DEFAULT (''), `content` text NOT NULL DEFAULT (''), `search_key` text NOT NULL DEFAULT (''), `media_id` text NULL, `like_count` integer NOT NULL DEFAULT (0), `version` integer NOT NULL DEFAULT (1), PRIMARY KEY (`id`));
-- Create index "post_author_id_created_at_id" to table: "posts"
CREATE INDEX `post_author_id_created_at_id` ON `posts` (`author_id`, `created_at`, `id`);
-- Create "post_likes" table
CREATE TABLE `post_likes` (`id` integer NOT NULL PRIMARY KEY AUTOINCREMENT, `created_at` datetime NOT NULL, `post_id` text NOT NULL, `user_id` text NOT NULL);
-- Create index "postlike_post_id_user_id" to table: "post_likes"
CREATE UNIQUE INDEX `postlike_post_id_user_id` ON `post_likes` (`post_id`, `user_id`);
-- Create index "postlike_user_id_post_id" to table: "post_likes"
CREATE INDEX `postlike_user_id_post_id` ON `post_likes` (`user_id`, `post_id`);
-- Create "post_reports" table
CREATE TABLE `post_reports` (`id` text NOT NULL, `created_at` datetime NOT NULL, `post_id` text NOT NULL, `reporter_id` text NOT NULL, `reason` text NOT NULL, PRIMARY KEY (`id`));
-- Create index "postreport_post_id_reporter_id" to table: "post_reports"
CREATE UNIQUE INDEX `postreport_post_id_reporter_id` ON `post_reports` (`post_id`, `reporter_id`);
-- Create index "postreport_reporter_id_id" to table: "post_reports"
CREATE INDEX `postreport_reporter_id_id` ON `post_reports` (`reporter_id`, `id`);
-- Create index "postreport_created_at_id" to table: "post_reports"
CREATE INDEX `postreport_created_at_id` ON `post_reports` (`created_at`, `id`);
-- Create "profiles" table
CREATE TABLE `profiles` (`id` text NOT NULL, `created_at` datetime NOT NULL, `updated_at` datetime NOT NULL, `handle` text NOT NULL, `handle_key` blob NOT NULL, `display_name` text NOT NULL, `name_key` blob NOT NULL, `system` bool NOT NULL DEFAULT (false), PRIMARY KEY (`id`));
-- Create index "profile_handle_key" to table: "profiles"
CREATE UNIQUE INDEX `profile_handle_key` ON `profiles` (`handle_key`);
-- Create index "profile_name_key" to table: "profiles"
CREATE INDEX `profile_name_key` ON `profiles` (`name_key`);
-- Create "timeline_entries" table
CREATE TABLE `timeline_entries` (`id` integer NOT NULL PRIMARY KEY AUTOINCREMENT, `user_id` text NOT NULL, `post_id` text NOT NULL, `author_id` text NOT NULL, `created_at` datetime NOT NULL);
-- Create index "timelineentry_post_id_user_id" to table: "timeline_entries"
CREATE UNIQUE INDEX `timelineentry_post_id_user_id` ON `timeline_entries` (`post_id`, `user_id`);
-- Create index "timelineentry_user_id_created_at_post_id" to table: "timeline_entries"
CREATE INDEX `timelineentry_user_id_created_at_post_id` ON `timeline_entries` (`user_id`, `created_at`, `post_id`);
