-- Create index "block_blocker_id_created_at_blocked_id" to table: "blocks"
CREATE INDEX "block_blocker_id_created_at_blocked_id" ON "blocks" ("blocker_id", "created_at", "blocked_id");
-- Create index "follow_followee_id_created_at_follower_id" to table: "follows"
CREATE INDEX "follow_followee_id_created_at_follower_id" ON "follows" ("followee_id", "created_at", "follower_id");
-- Create index "follow_follower_id_created_at_followee_id" to table: "follows"
CREATE INDEX "follow_follower_id_created_at_followee_id" ON "follows" ("follower_id", "created_at", "followee_id");
-- Create index "postlike_user_id_created_at_post_id" to table: "post_likes"
CREATE INDEX "postlike_user_id_created_at_post_id" ON "post_likes" ("user_id", "created_at", "post_id");
-- Create index "post_created_at_id" to table: "posts"
CREATE INDEX "post_created_at_id" ON "posts" ("created_at", "id");
