package app

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/e2e/gqlclient"
	"parley/internal/testkit/dbtest"
)

// publish makes a post of somebody and gives its id.
func (w *world) publish(t testing.TB, c *gqlclient.Client, title string) string {
	t.Helper()
	var got struct {
		CreatePost struct{ Post struct{ ID string } }
	}
	c.Must(t, `mutation($title: String!) { createPost(input: {title: $title}) { post { id } } }`, gqlclient.Vars{"title": title}, &got)
	return got.CreatePost.Post.ID
}

// reported has Stranger report a post, and gives the id of the report.
func (w *world) reported(t testing.TB, post string) string {
	t.Helper()
	w.Stranger.Must(t, `mutation($post: ID!) { reportPost(input: {postId: $post, reason: "spam"}) { postId } }`, gqlclient.Vars{"post": post}, nil)
	var got struct {
		PostReports struct{ Nodes []struct{ ID string } }
	}
	w.Admin.Must(t, `{ postReports(first: 1) { nodes { id } } }`, nil, &got)
	return got.PostReports.Nodes[0].ID
}

const follow = `mutation($user: ID!) { follow(input: {userId: $user}) { profile { followed } cursor } }`

func TestAFeedOverTheWire(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		owner := gqlclient.Vars{"user": w.IDs[w.Owner]}
		w.Stranger.Must(t, follow, owner, nil)
		w.Owner.Must(t, `mutation { setProfile(input: {handle: "Owner_1", displayName: "The owner"}) { profile { handle } } }`, nil, nil)
		var image struct {
			UploadImage struct{ Image struct{ ID string } }
		}
		r, err := sendFile(t, w.Owner, `mutation($file: Upload!) { uploadImage(input: {file: $file}) { image { id } } }`, "a.png", pictureFile(t, 3), "GraphQL-Require-Preflight", "1")
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(r.Data, &image))
		w.Owner.Must(t, `mutation($image: ID!) { createPost(input: {title: "pictured", imageId: $image}) { post { id } } }`, gqlclient.Vars{"image": image.UploadImage.Image.ID}, nil)
		first := w.publish(t, w.Owner, "first")
		w.Stranger.Must(t, `mutation($post: ID!) { likePost(input: {postId: $post}) { post { id } } }`, gqlclient.Vars{"post": first}, nil)
		var got struct {
			Feed struct {
				NewPostCount int
				Nodes        []struct {
					ID, Title string
					ImageURL  *string
					Liked     bool
					LikeCount int
					CreatedAt string
					Author    struct {
						ID          string
						Handle      *string
						DisplayName *string
						Followed    bool
					}
				}
			}
		}
		const ask = `{ feed { newPostCount nodes { id title imageUrl liked likeCount createdAt author { id handle displayName followed } } } }`
		w.Stranger.Must(t, ask, nil, &got)
		require.Equal(t, 2, got.Feed.NewPostCount)
		require.Len(t, got.Feed.Nodes, 2)
		one, two := got.Feed.Nodes[0], got.Feed.Nodes[1]
		assert.Equal(t, []any{"first", true, 1, true, w.IDs[w.Owner], "Owner_1", "The owner"},
			[]any{one.Title, one.Liked, one.LikeCount, one.Author.Followed, one.Author.ID, *one.Author.Handle, *one.Author.DisplayName})
		assert.Nil(t, one.ImageURL)
		require.NotNil(t, two.ImageURL)
		assert.True(t, strings.HasPrefix(*two.ImageURL, "/media/"))
		w.Stranger.Must(t, `mutation($until: Time!) { markFeedSeen(input: {until: $until}) { seenUntil } }`, gqlclient.Vars{"until": one.CreatedAt}, nil)
		w.Stranger.Must(t, ask, nil, &got)
		require.Zero(t, got.Feed.NewPostCount)

		// A mark is heard on every device, and so is whom one follows.
		var events struct {
			EventsSince struct {
				Events []map[string]any
			}
		}
		w.Stranger.Must(t, `query($at: EventCursor!) { eventsSince(after: $at, waitMs: 5000, topics: [FEED]) { events { __typename ... on FeedMarked { until } ... on FollowChanged { userId action } } } }`,
			gqlclient.Vars{"at": w.log.Cursor(0).String()}, &events)
		require.NotEmpty(t, events.EventsSince.Events)
		assert.Equal(t, map[string]any{"__typename": "FollowChanged", "userId": w.IDs[w.Owner], "action": "FOLLOWED"}, events.EventsSince.Events[0])
	})
}

func TestWhatIsPublishedComesIntoOpenFeeds(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		var got struct{ Follow struct{ Cursor string } }
		w.Stranger.Must(t, follow, gqlclient.Vars{"user": w.IDs[w.Owner]}, &got)
		stream := w.Stranger.MustDial(t).Subscribe(t, `subscription($after: EventCursor) { feedItemAdded(after: $after) { cursor reset post { id title author { id } } } }`,
			gqlclient.Vars{"after": got.Follow.Cursor})
		for i := range 3 {
			w.publish(t, w.Owner, fmt.Sprint(i))
		}
		for i := range 3 {
			r, _ := stream.Next(t)
			require.NoError(t, r.Err())
			var item struct {
				FeedItemAdded struct {
					Reset *string
					Post  struct {
						Title  string
						Author struct{ ID string }
					}
				}
			}
			require.NoError(t, json.Unmarshal(r.Data, &item))
			require.Nil(t, item.FeedItemAdded.Reset)
			require.Equal(t, []string{fmt.Sprint(i), w.IDs[w.Owner]}, []string{item.FeedItemAdded.Post.Title, item.FeedItemAdded.Post.Author.ID})
		}
		stream.Stop(t)
	})
}

// The number of queries must not grow with the length of a feed.
func TestAFeedCostsTheSameNumberOfQueriesHoweverLong(t *testing.T) {
	t.Parallel()
	w := begin(t, dbtest.SQLite(t), Options{})
	for i := range 50 {
		w.publish(t, w.Owner, fmt.Sprint(i))
	}
	w.Stranger.Must(t, follow, gqlclient.Vars{"user": w.IDs[w.Owner]}, nil)
	cost := func(n int) int64 {
		before := w.queries.Load()
		w.Stranger.Must(t, `query($n: Int) { feed(first: $n) { newPostCount nodes { id title imageUrl liked author { handle followed blocked } } } }`, gqlclient.Vars{"n": n}, nil)
		return w.queries.Load() - before
	}
	cost(1)
	two, fifty := cost(2), cost(50)
	require.LessOrEqual(t, fifty, two+10)
}

func TestServeAddsTheDemoPosts(t *testing.T) {
	t.Parallel()
	w := begin(t, dbtest.SQLite(t), Options{})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.fillPosts(ctx) }()
	require.Eventually(t, func() bool {
		var got struct {
			Users struct {
				Nodes []struct{ ID string }
			}
		}
		w.Owner.Must(t, `{ users(search: "word of") { nodes { id } } }`, nil, &got)
		return len(got.Users.Nodes) == 1
	}, 30*time.Second, 10*time.Millisecond)
	stop()
	require.NoError(t, <-done)
}
