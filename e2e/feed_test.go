package e2e

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/e2e/gqlclient"
	"parley/e2e/process"
)

// Two devices of one reader hang on two processes, and authors publish on both at once.
func TestAFeedIsTheSameOnEveryProcess(t *testing.T) {
	t.Parallel()
	c := process.NewCluster(t)
	processes := []*process.Process{c.API(), c.API()}
	on := func(a *actor, p *process.Process) *gqlclient.Client {
		return &gqlclient.Client{URL: p.URL, Token: a.Token}
	}
	reader := signUp(t, processes[0])
	authors := []*actor{signUp(t, processes[0]), signUp(t, processes[1]), signUp(t, processes[0])}
	var start struct{ Follow struct{ Cursor string } }
	const follow = `mutation($user: ID!) { follow(input: {userId: $user}) { cursor } }`
	reader.Must(t, follow, gqlclient.Vars{"user": authors[0].ID}, &start)
	on(reader, processes[1]).Must(t, follow, gqlclient.Vars{"user": authors[1].ID}, nil)
	var streams []*gqlclient.Stream
	for _, p := range processes {
		streams = append(streams, on(reader, p).MustDial(t).Subscribe(t, `subscription($after: EventCursor) { feedItemAdded(after: $after) { reset post { title } } }`,
			gqlclient.Vars{"after": start.Follow.Cursor}))
	}
	const publish = `mutation($title: String!) { createPost(input: {title: $title}) { post { id } } }`
	var busy sync.WaitGroup
	for i, author := range authors {
		busy.Go(func() {
			for n := range 10 {
				r, err := on(author, processes[n%2]).Do(t.Context(), publish, gqlclient.Vars{"title": fmt.Sprint(i, ".", n)})
				assert.NoError(t, err)
				assert.NoError(t, r.Err())
			}
		})
	}
	on(reader, processes[1]).Must(t, follow, gqlclient.Vars{"user": authors[2].ID}, nil) // in the midst of it
	busy.Wait()
	on(authors[2], processes[1]).Must(t, publish, gqlclient.Vars{"title": "the end"}, nil)
	var got [2][]string
	for i, s := range streams {
		for len(got[i]) == 0 || got[i][len(got[i])-1] != "the end" {
			var m struct {
				FeedItemAdded struct {
					Reset *string
					Post  struct{ Title string }
				}
			}
			require.True(t, s.Read(t, &m))
			require.Nil(t, m.FeedItemAdded.Reset)
			got[i] = append(got[i], m.FeedItemAdded.Post.Title)
		}
	}
	require.Equal(t, got[0], got[1])
	for i := range 2 {
		for n := range 10 {
			require.Contains(t, got[0], fmt.Sprint(i, ".", n))
		}
	}
	for _, p := range processes {
		var home struct {
			Feed struct {
				NewPostCount int
				Nodes        []struct{ Title string }
			}
		}
		on(reader, p).Must(t, `{ feed(first: 100) { newPostCount nodes { title } } }`, nil, &home)
		require.Len(t, home.Feed.Nodes, 31, "those from before the last follow, too")
		require.Equal(t, 31, home.Feed.NewPostCount)
		var titles []string
		for _, n := range home.Feed.Nodes {
			titles = append(titles, n.Title)
		}
		require.True(t, strings.HasPrefix(strings.Join(titles, " "), "the end"))
	}
}
