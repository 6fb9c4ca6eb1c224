// Package indexing keeps the vectors of what is searched: in the database, and in the
// memory of each API process. One process finds what lacks a vector, or has that of an
// older text, and has the workers make it; each follows the changes. Another model's index
// is built beside the one that answers, which it replaces in one step.
package indexing

import (
	"context"
	"errors"
	"fmt"
	"time"

	"parley/ent/gen"
	entembedding "parley/ent/gen/embedding"
	"parley/ent/gen/searchindex"
	"parley/internal/directory"
	"parley/internal/event"
	"parley/internal/job"
	"parley/internal/store"
	"parley/internal/vector"
)

// Side is what of an object is embedded.
type Side = entembedding.Side

// The sides.
const (
	Words   = entembedding.SideWORDS
	Picture = entembedding.SidePICTURE
)

// State is that of a search index.
type State = searchindex.State

// The states. The one that is ACTIVE answers, a RETIRED one did so before and can again.
const (
	Building = searchindex.StateBUILDING
	Ready    = searchindex.StateREADY
	Active   = searchindex.StateACTIVE
	Retired  = searchindex.StateRETIRED
)

// Index is a search index as it is stored.
type Index = gen.SearchIndex

// Item is an object to be found.
type Item struct {
	// ID has at most vector.MaxID bytes.
	ID string
	// Version grows with each change of the object: whoever changes something of an Item
	// without it is not noticed by those who were away.
	Version int64
	// Text is embedded as it is; "" for none. What is beyond jobspec.MaxEmbedText is cut.
	Text string
	// Picture gives the file of its picture; nil for none.
	Picture func(ctx context.Context) ([]byte, error)
	// PictureKey tells pictures apart: while it is the same the picture is not embedded
	// again. "" says that each version has another one.
	PictureKey string
	// Edited is when somebody last wrote it: see Source.Rest.
	Edited time.Time
	// Labels are what searches filter by, within the limits of vector.Row.
	Labels []string
}

// Source gives the objects of one kind. Its functions are called as the system, inside
// transactions as well.
type Source struct {
	// Name is stored with each vector, for example "sticker".
	Name string
	// Sides are those that its objects may have.
	Sides []Side
	// Rest is how long an object has to be left alone until it is embedded, so that it is
	// not while somebody edits it; 0 for at once. What was embedded of it before answers
	// meanwhile.
	Rest time.Duration
	// Page gives the objects whose ids come behind one, in the order of their ids, which
	// is that of their table.
	Page func(ctx context.Context, after string, limit int) ([]Item, error)
	// ByID gives those of the objects that there are, by id.
	ByID func(ctx context.Context, ids []string) (map[string]Item, error)
}

// Judged is what people said of a query's hits, by ids of objects.
type Judged struct {
	Query     string
	Good, Bad []string
}

// Config is what a Service is made with.
type Config struct {
	Sources []Source
	// Model is the bundle that the first index is made with; "" is the first that reads
	// texts and pictures, else texts.
	Model string
	// MaxDimensions is the most numbers of a model's vectors, for example what a shared
	// database takes; 0 is vector.MaxDimension.
	MaxDimensions int
	// Embed gives the vector of a query with the model of a digest. It is needed for
	// reports alone.
	Embed func(ctx context.Context, digest, text string) ([]float32, error)
	// Queries gives some that are asked often, and Judgements what was said of hits, for
	// reports. They may be nil.
	Queries    func(ctx context.Context, limit int) ([]string, error)
	Judgements func(ctx context.Context, limit int) ([]Judged, error)
	// Sweep is how often everything is compared with its vectors, 1 h, beside what is
	// told by events.
	Sweep time.Duration
	// Retry is the pause before a second try of a job that ended without a result, 1 min;
	// it grows fourfold with each.
	Retry time.Duration
}

// Service keeps search indexes in the database.
type Service struct {
	Config
	store   *store.Store
	log     *event.Log
	jobs    *job.Service
	workers *directory.Directory
	sources map[string]Source
}

// New makes the service. It refuses sources that can't be told apart.
func New(s *store.Store, log *event.Log, jobs *job.Service, workers *directory.Directory, cfg Config) (*Service, error) {
	if cfg.Sweep <= 0 {
		cfg.Sweep = time.Hour
	}
	if cfg.Retry <= 0 {
		cfg.Retry = time.Minute
	}
	if cfg.MaxDimensions <= 0 {
		cfg.MaxDimensions = vector.MaxDimension
	}
	all := &Service{Config: cfg, store: s, log: log, jobs: jobs, workers: workers, sources: map[string]Source{}}
	for _, source := range cfg.Sources {
		if _, twice := all.sources[source.Name]; twice || source.Name == "" || len(source.Sides) == 0 || source.Page == nil || source.ByID == nil {
			return nil, fmt.Errorf("indexing: the source %q is there twice or lacks something", source.Name)
		}
		all.sources[source.Name] = source
	}
	return all, nil
}

// errUnknown is what a source's name leads to that nobody gave.
var errUnknown = errors.New("indexing: no such source")

func (s *Service) source(name string) (Source, error) {
	source, ok := s.sources[name]
	if !ok {
		return Source{}, fmt.Errorf("%w: %q", errUnknown, name)
	}
	return source, nil
}
