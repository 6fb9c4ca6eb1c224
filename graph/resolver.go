// Package graph holds the resolvers: each reads the viewer, calls one service
// and returns.
package graph

import (
	"parley/internal/account"
	"parley/internal/audit"
	"parley/internal/catalog"
	"parley/internal/content"
	"parley/internal/dialog"
	"parley/internal/domain"
	"parley/internal/feed"
	"parley/internal/feedback"
	"parley/internal/indexing"
	"parley/internal/job"
	"parley/internal/live"
	"parley/internal/media"
	"parley/internal/note"
	"parley/internal/practice"
	"parley/internal/resume"
	"parley/internal/search"
	"parley/internal/sticker"
)

// Resolver holds the services that resolvers call.
type Resolver struct {
	AccountService  *account.Service
	NoteService     *note.Service
	JobService      *job.Service
	PracticeService *practice.Service
	DialogService   *dialog.Service
	AuditLog        *audit.Log
	CatalogService  *catalog.Service
	MediaService    *media.Service
	StickerService  *sticker.Service
	ContentService  *content.Service
	IndexingService *indexing.Service
	FeedbackService *feedback.Service
	SearchService   *search.Service
	FeedService     *feed.Service
	// Domains says how objects, and what jobs made, are found.
	Domains *domain.Set
	Hub     *live.Hub
	Streams *live.Streams
	Readers *resume.Book
}
