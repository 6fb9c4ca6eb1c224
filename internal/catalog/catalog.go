// Package catalog is what admins see of the workers' models, and how they have models
// pulled and removed. It keeps nothing of its own: workers announce what they have, and
// the directory remembers it.
package catalog

import (
	"crypto/sha256"
	"time"

	"github.com/oklog/ulid/v2"

	"parley/internal/event"
	"parley/internal/jobspec"
)

// State is what the workers of a folder do with a model.
type State = jobspec.ModelState

// Model is one bundle of one models folder.
type Model struct {
	// ID is made of folder and name, so that the same bundle always has the same.
	ID     string
	Folder string
	Name   string
	// Kind, Work and the other texts are nil where nothing tells.
	Kind, Work, Precision, Licence *string
	Languages                      []string
	// Size is bytes on disk, Memory an estimate of those that it takes loaded; 0 where
	// nothing tells.
	Size, Memory       int64
	Repository, Commit *string
	State              State
	Reason             *string
	// Workers are those of the folder that told of the model.
	Workers []*Holder
}

// Holder is a worker that has a model.
type Holder struct {
	ID    string
	Alive bool
	State State
	// Reason is why the worker does not serve the model, nil where it does.
	Reason *string
}

// Folder is a models folder that some worker announced.
type Folder struct {
	ID string
	// Writable tells whether a worker pulls and removes models in it.
	Writable bool
	// Alive tells whether one that does, or where none does one that reads, is there.
	Alive bool
	// Workers are those that share the folder.
	Workers []string
	// More is how many models it has beyond those that are listed.
	More int
}

// WorkerChange is what became of a worker.
type WorkerChange string

// ModelsChanged is the event of what workers have as clients are shown it.
type ModelsChanged struct {
	Cursor event.Cursor
	At     time.Time
	Worker string
	Change WorkerChange
}

// modelID is the id of a folder's bundle.
func modelID(folder, name string) string {
	sum := sha256.Sum256([]byte(folder + "\x00" + name))
	return prefix + "_" + ulid.ULID(sum[:16]).String()
}

// prefix begins the ids of models.
const prefix = "mdl"
