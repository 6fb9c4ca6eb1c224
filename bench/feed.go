package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// A network of the size of the system before: followed authors with so many posts each,
// and readers.
const (
	feedAuthors = 200
	feedReaders = 16
	feedPosts   = 50_000
)

const (
	createPostQuery = `mutation($t: String!) { createPost(input: {title: $t, content: "What I saw today was worth a picture, but I had no camera with me."}) { post { id } cursor } }`
	markSeenQuery   = `mutation($until: Time!) { markFeedSeen(input: {until: $until}) { seenUntil } }`
	followQuery     = `mutation($id: ID!) { follow(input: {userId: $id}) { cursor } }`
	feedQuery       = `{ feed(first: 20) { nodes { id title content imageUrl createdAt author { id handle } likeCount liked } newPostCount pageInfo { hasNextPage endCursor } } }`
	leanFeedQuery   = `{ feed(first: 20) { nodes { id title content imageUrl createdAt } } }`
)

// measureFeed measures home feeds of 200 followees with 50,000 posts.
func measureFeed(ctx context.Context, b bed) error {
	authors, err := signUp(ctx, b.p, "author", feedAuthors)
	if err != nil {
		return err
	}
	readers, err := signUp(ctx, b.p, "reader", feedReaders)
	if err != nil {
		return err
	}
	ids, err := b.fillPosts(ctx, authors, pick(b.o, feedPosts, feedPosts/10))
	if err != nil {
		return err
	}
	// The server closes connections that were idle for long: each is made for its load.
	reading, err := connect(ctx, b.p, readers, domainConns)
	if err != nil {
		return err
	}
	defer closeAll(reading)
	if err := followAll(ctx, reading[:feedReaders], ids); err != nil {
		return err
	}
	if err := b.vacuum(ctx); err != nil {
		return err
	}
	same := func(query string) func(int, int) []byte {
		body := request(query, nil)
		return func(int, int) []byte { return body }
	}
	what := row{name: "feed, 20 posts of 200 followees with their authors and likes", unit: "requests"}
	if err := b.load(ctx, reading, what, same(feedQuery)); err != nil {
		return err
	}
	if err := b.load(ctx, reading, row{name: "the same, what the system before gave of each", unit: "requests"}, same(leanFeedQuery)); err != nil {
		return err
	}
	writing, err := connect(ctx, b.p, authors, domainConns)
	if err != nil {
		return err
	}
	defer closeAll(writing)
	var n atomic.Int64
	return b.load(ctx, writing, row{name: "createPost, 16 followers", unit: "requests"}, func(int, int) []byte {
		return request(createPostQuery, map[string]any{"t": fmt.Sprint("Post ", n.Add(1))})
	})
}

// fillPosts has the authors publish so many posts, and gives their ids.
func (b bed) fillPosts(ctx context.Context, people []person, posts int) ([]string, error) {
	authors, err := connect(ctx, b.p, people, len(people))
	if err != nil {
		return nil, err
	}
	defer closeAll(authors)
	ids := make([]string, len(authors))
	var g errgroup.Group
	for i, c := range authors {
		g.Go(func() error {
			var out struct{ Viewer struct{ ID string } }
			if err := c.ask(`{ viewer { id } }`, nil, &out); err != nil {
				return err
			}
			ids[i] = out.Viewer.ID
			for n := range posts / len(authors) {
				if _, err := c.do(request(createPostQuery, map[string]any{"t": fmt.Sprint("Post ", n)})); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return ids, g.Wait()
}

// followAll has the readers follow all authors, whose posts they have seen.
func followAll(ctx context.Context, readers []*httpConn, authors []string) error {
	var g errgroup.Group
	for _, c := range readers {
		g.Go(func() error {
			for _, id := range authors {
				if _, err := c.do(request(followQuery, map[string]any{"id": id})); err != nil {
					return err
				}
			}
			_, err := c.do(request(markSeenQuery, map[string]any{"until": time.Now().UTC().Format(time.RFC3339)}))
			return errors.Join(err, ctx.Err())
		})
	}
	return g.Wait()
}
