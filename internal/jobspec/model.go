package jobspec

import "time"

// Kinds of work on a models folder. Each is done by a worker that may write the folder.
const (
	// KindPullModel fetches a bundle into the folder, KindRemoveModel deletes one.
	KindPullModel   = "pull-model"
	KindRemoveModel = "remove-model"
)

// FolderPool is the pool of a models folder: all workers that share the folder pull it.
func FolderPool(folder string) string { return "models-" + Token(folder) }

// FolderSubject tells the workers of a models folder that it has changed.
func FolderSubject(folder string) string { return "ctl.models." + Token(folder) }

// PullModel is the payload of KindPullModel. Where the bundle comes from is the
// worker's setting and never the message's.
type PullModel struct {
	// Folder is the id of the models folder.
	Folder string `json:"folder"`
	// Repository is OWNER/NAME, Revision a branch, a tag or a commit, "" for the main branch.
	Repository string `json:"repository"`
	Revision   string `json:"revision,omitempty"`
	// Name is what the bundle's folder is to be called.
	Name string `json:"name"`
	// Precision is that of the graphs, "" for the exactest that there is.
	Precision string `json:"precision,omitempty"`
	// Replace allows to put the bundle in the place of another one of its name.
	Replace bool `json:"replace,omitempty"`
}

// RemoveModel is the payload of KindRemoveModel.
type RemoveModel struct {
	Folder string `json:"folder"`
	Name   string `json:"name"`
}

// FolderChanged is the result of KindPullModel and KindRemoveModel: what the worker
// found in its folder when it was done.
type FolderChanged struct {
	Worker string    `json:"worker"`
	At     time.Time `json:"at"`
	Folder Folder    `json:"folder"`
}

// Folder is a worker's models folder, as it announces it.
type Folder struct {
	// ID is kept in the folder, so that workers that share it are one place.
	ID string `json:"id"`
	// Writable tells whether the worker pulls and removes models.
	Writable bool `json:"writable,omitempty"`
	// Models are the bundles in the order of their names, at most MaxModels.
	Models []Model `json:"models,omitempty"`
	// More is how many bundles were left out.
	More int `json:"more,omitempty"`
}

// Bounds of an announced Folder, which keep it below half of what NATS carries.
const (
	// MaxModels is how many bundles are announced.
	MaxModels = 500
	// MaxModelLanguages is how many languages of a bundle are announced.
	MaxModelLanguages = 250
	// MaxFolder is how many bytes the announced bundles may have as JSON.
	MaxFolder = 384 << 10
)

// ModelState is what a worker does with a bundle.
type ModelState string

// The states.
const (
	// ModelServed is open: the worker takes work for it.
	ModelServed ModelState = "SERVED"
	// ModelClosed is whole as far as anybody looked, and of a kind that nobody runs.
	ModelClosed ModelState = "CLOSED"
	// ModelBroken can't be used.
	ModelBroken ModelState = "BROKEN"
)

// Model is one bundle of a models folder.
type Model struct {
	// Name is the bundle's folder.
	Name string `json:"name"`
	// Kind is the family of the model, "" where it can't be read.
	Kind string `json:"kind,omitempty"`
	// Work is the kind of job that it does, "" for none.
	Work      string `json:"work,omitempty"`
	Precision string `json:"precision,omitempty"`
	// Licence is an SPDX expression, or the hub's word where SPDX has none.
	Licence string `json:"licence,omitempty"`
	// Languages are BCP 47 tags.
	Languages []string `json:"languages,omitempty"`
	// Size is bytes on disk, Memory an estimate of the bytes that it takes loaded.
	Size   int64 `json:"size,omitempty"`
	Memory int64 `json:"memory,omitempty"`
	// Repository and Commit are where it was pulled from, "" where nothing tells.
	Repository string     `json:"repository,omitempty"`
	Commit     string     `json:"commit,omitempty"`
	State      ModelState `json:"state"`
	// Reason is why it is not served.
	Reason string `json:"reason,omitempty"`
}
