// Package connection gives pages of rows the shape of Relay connections.
package connection

import (
	"parley/ent/gen"
	"parley/internal/page"
)

// PageInfo says where a page lies.
type PageInfo struct {
	HasNextPage, HasPreviousPage bool
	StartCursor, EndCursor       *string
}

func info[T any](p *page.Page[T]) *PageInfo {
	i := &PageInfo{HasNextPage: p.HasNext, HasPreviousPage: p.HasPrevious}
	if n := len(p.Edges); n > 0 {
		i.StartCursor, i.EndCursor = &p.Edges[0].Cursor, &p.Edges[n-1].Cursor
	}
	return i
}

func nodes[T any](p *page.Page[T]) []T {
	rows := make([]T, len(p.Edges))
	for i, e := range p.Edges {
		rows[i] = e.Node
	}
	return rows
}

// Notes is a NoteConnection.
type Notes struct{ *page.Page[*gen.Note] }

// NoteEdge is a note with its place.
type NoteEdge struct{ page.Edge[*gen.Note] }

// Edges gives the notes with their places.
func (c *Notes) Edges() []*NoteEdge {
	edges := make([]*NoteEdge, len(c.Page.Edges))
	for i, e := range c.Page.Edges {
		edges[i] = &NoteEdge{e}
	}
	return edges
}

// Nodes gives the notes alone.
func (c *Notes) Nodes() []*gen.Note { return nodes(c.Page) }

// PageInfo says where the page lies.
func (c *Notes) PageInfo() *PageInfo { return info(c.Page) }

// TotalCount counts the whole list.
func (c *Notes) TotalCount() (int, error) { return c.Count() }

// Jobs is a JobConnection.
type Jobs struct{ *page.Page[*gen.Job] }

// JobEdge is a job with its place.
type JobEdge struct{ page.Edge[*gen.Job] }

// Edges gives the jobs with their places.
func (c *Jobs) Edges() []*JobEdge {
	edges := make([]*JobEdge, len(c.Page.Edges))
	for i, e := range c.Page.Edges {
		edges[i] = &JobEdge{e}
	}
	return edges
}

// Nodes gives the jobs alone.
func (c *Jobs) Nodes() []*gen.Job { return nodes(c.Page) }

// PageInfo says where the page lies.
func (c *Jobs) PageInfo() *PageInfo { return info(c.Page) }

// TotalCount counts the whole list.
func (c *Jobs) TotalCount() (int, error) { return c.Count() }
