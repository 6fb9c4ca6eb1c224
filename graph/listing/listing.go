// Package listing gives pages of rows the shape of Relay connections.
package listing

import (
	"time"

	"parley/ent/gen"
	"parley/internal/audit"
	"parley/internal/catalog"
	"parley/internal/dialog"
	"parley/internal/feed"
	"parley/internal/feedback"
	"parley/internal/page"
	"parley/internal/practice"
	"parley/internal/sticker"
)

// PageInfo says where a page lies.
type PageInfo struct {
	HasNextPage, HasPreviousPage bool
	StartCursor, EndCursor       *string
}

// List is a page of rows as a connection whose edges have the type E.
type List[T any, E ~struct{ page.Edge[T] }] struct{ *page.Page[T] }

// Hold makes l the connection of a page.
func (l *List[T, E]) Hold(p *page.Page[T]) { l.Page = p }

// Edges gives the rows with their places.
func (l List[T, E]) Edges() []*E {
	all := make([]E, len(l.Page.Edges))
	edges := make([]*E, len(all))
	for i, e := range l.Page.Edges {
		all[i] = E(struct{ page.Edge[T] }{e})
		edges[i] = &all[i]
	}
	return edges
}

// Nodes gives the rows alone.
func (l List[T, E]) Nodes() []T {
	rows := make([]T, len(l.Page.Edges))
	for i, e := range l.Page.Edges {
		rows[i] = e.Node
	}
	return rows
}

// PageInfo says where the page lies.
func (l List[T, E]) PageInfo() *PageInfo {
	i := &PageInfo{HasNextPage: l.HasNext, HasPreviousPage: l.HasPrevious}
	if n := len(l.Page.Edges); n > 0 {
		i.StartCursor, i.EndCursor = &l.Page.Edges[0].Cursor, &l.Page.Edges[n-1].Cursor
	}
	return i
}

// TotalCount counts the whole list.
func (l List[T, E]) TotalCount() (int, error) { return l.Count() }

// Notes is a NoteConnection.
type Notes struct{ List[*gen.Note, NoteEdge] }

// NoteEdge is a note with its place.
type NoteEdge struct{ page.Edge[*gen.Note] }

// Jobs is a JobConnection.
type Jobs struct{ List[*gen.Job, JobEdge] }

// JobEdge is a job with its place.
type JobEdge struct{ page.Edge[*gen.Job] }

// APIKeys is an ApiKeyConnection.
type APIKeys struct{ List[*gen.ApiKey, APIKeyEdge] }

// APIKeyEdge is a key with its place.
type APIKeyEdge struct{ page.Edge[*gen.ApiKey] }

// Conversations is a ConversationConnection.
type Conversations struct {
	List[*gen.Conversation, ConversationEdge]
}

// ConversationEdge is a conversation with its place.
type ConversationEdge struct{ page.Edge[*gen.Conversation] }

// Utterances is an UtteranceConnection.
type Utterances struct {
	List[*gen.Utterance, UtteranceEdge]
}

// UtteranceEdge is an utterance with its place.
type UtteranceEdge struct{ page.Edge[*gen.Utterance] }

// Frequencies is an ErrorFrequencyConnection.
type Frequencies struct {
	List[*practice.Frequency, FrequencyEdge]
}

// FrequencyEdge is a frequency with its place.
type FrequencyEdge struct{ page.Edge[*practice.Frequency] }

// Dialogs is a DialogConnection.
type Dialogs struct {
	List[*dialog.Dialog, DialogEdge]
}

// DialogEdge is a dialog with its place.
type DialogEdge struct{ page.Edge[*dialog.Dialog] }

// AuditEntries is an AuditEntryConnection.
type AuditEntries struct {
	List[*audit.Entry, AuditEntryEdge]
}

// AuditEntryEdge is an entry with its place.
type AuditEntryEdge struct{ page.Edge[*audit.Entry] }

// Models is a ModelConnection.
type Models struct {
	List[*catalog.Model, ModelEdge]
}

// ModelEdge is a model with its place.
type ModelEdge struct{ page.Edge[*catalog.Model] }

// Stickers is a StickerConnection.
type Stickers struct {
	List[*sticker.Sticker, StickerEdge]
}

// StickerEdge is a sticker with its place.
type StickerEdge struct{ page.Edge[*sticker.Sticker] }

// ContentRequests is a ContentRequestConnection.
type ContentRequests struct {
	List[*gen.ContentRequest, ContentRequestEdge]
}

// ContentRequestEdge is a content request with its place.
type ContentRequestEdge struct {
	page.Edge[*gen.ContentRequest]
}

// Feedback is a SearchFeedbackConnection.
type Feedback struct {
	List[*feedback.Feedback, FeedbackEdge]
}

// FeedbackEdge is votes with their place.
type FeedbackEdge struct{ page.Edge[*feedback.Feedback] }

// SearchQueries is a SearchQueryConnection.
type SearchQueries struct {
	List[*feedback.Query, SearchQueryEdge]
}

// SearchQueryEdge is a query with its place.
type SearchQueryEdge struct{ page.Edge[*feedback.Query] }

// Profiles is a ProfileConnection.
type Profiles struct {
	List[*feed.Profile, ProfileEdge]
}

// ProfileEdge is a profile with its place.
type ProfileEdge struct{ page.Edge[*feed.Profile] }

// Posts is a PostConnection.
type Posts struct{ List[*gen.Post, PostEdge] }

// PostEdge is a post with its place.
type PostEdge struct{ page.Edge[*gen.Post] }

// PostReports is a PostReportConnection.
type PostReports struct {
	List[*gen.PostReport, PostReportEdge]
}

// PostReportEdge is a report with its place.
type PostReportEdge struct{ page.Edge[*gen.PostReport] }

// Recommendations is a RecommendedPostConnection.
type Recommendations struct {
	List[*feed.Recommended, RecommendationEdge]
}

// RecommendationEdge is a recommended post with its place.
type RecommendationEdge struct{ page.Edge[*feed.Recommended] }

// Feed is a FeedConnection.
type Feed struct {
	List[*gen.Post, PostEdge]
	home *feed.Home
}

// FeedOf makes the connection of a page of a feed, and passes an error on.
func FeedOf(h *feed.Home, err error) (*Feed, error) {
	if err != nil {
		return nil, err
	}
	return &Feed{List[*gen.Post, PostEdge]{h.Page}, h}, nil
}

// Gap is what is missing between the page and a place.
func (f *Feed) Gap() *feed.Gap { return f.home.Gap }

// SeenUntil is up to which time the feed counts as seen.
func (f *Feed) SeenUntil() *time.Time { return f.home.SeenUntil }

// NewPostCount counts what is newer than that.
func (f *Feed) NewPostCount() (int, error) { return f.home.NewPosts() }

// UnseenOlderCount counts what is not and yet was not seen.
func (f *Feed) UnseenOlderCount() (int, error) { return f.home.UnseenOlder() }

// Of makes the connection C of a page, and passes an error on.
func Of[C, T any, P interface {
	*C
	Hold(*page.Page[T])
}](p *page.Page[T], err error) (*C, error) {
	if err != nil {
		return nil, err
	}
	var c C
	P(&c).Hold(p)
	return &c, nil
}
