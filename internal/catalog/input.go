package catalog

import (
	"regexp"
	"strings"

	"parley/internal/apperr"
	"parley/internal/idempotency"
)

// PullModelInput says which model to pull.
type PullModelInput struct {
	Repository     string  `json:"repository"`
	Revision       *string `json:"revision"`
	Name           *string `json:"name"`
	Precision      *string `json:"precision"`
	Replace        *bool   `json:"replace"`
	Folder         *string `json:"folder"`
	IdempotencyKey *string `json:"idempotencyKey"`
}

// RemoveModelInput says which model to remove.
type RemoveModelInput struct {
	Name           string  `json:"name"`
	Folder         *string `json:"folder"`
	IdempotencyKey *string `json:"idempotencyKey"`
}

// What names may be: no more than the workers take, so that most mistakes are told at
// once. They check again.
var (
	repositoryID = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,95}/[A-Za-z0-9_][A-Za-z0-9._-]{0,95}$`)
	revision     = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._/+-]{0,199}$`)
	bundleName   = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$`)
	folderID     = regexp.MustCompile(`^[0-9a-f]{16}$`)
	precision    = regexp.MustCompile(`^[a-z0-9]{1,16}$`)
)

// normal checks the input and fills in the name of the bundle.
func (in PullModelInput) normal() (PullModelInput, error) {
	if !repositoryID.MatchString(in.Repository) || strings.Contains(in.Repository, "..") {
		return in, apperr.Input("repository", "%.100q is no repository: give OWNER/NAME in letters, digits, dots, dashes and underscores.", in.Repository)
	}
	if in.Name == nil {
		_, name, _ := strings.Cut(in.Repository, "/")
		in.Name = &name
	}
	if in.Revision != nil && (!revision.MatchString(*in.Revision) || strings.Contains(*in.Revision, "..")) {
		return in, apperr.Input("revision", "%.100q is no revision: give a branch, a tag or a commit.", *in.Revision)
	}
	if in.Precision != nil && !precision.MatchString(*in.Precision) {
		return in, apperr.Input("precision", "%.100q is no precision: give one such as fp32, q8 or q4.", *in.Precision)
	}
	if err := checkName(*in.Name); err != nil {
		return in, err
	}
	return in, checkRest(in.Folder, in.IdempotencyKey)
}

// same is what repeated calls have in common.
func (in PullModelInput) same() PullModelInput {
	in.IdempotencyKey = nil
	return in
}

// Validate refuses what can't be.
func (in RemoveModelInput) Validate() error {
	if err := checkName(in.Name); err != nil {
		return err
	}
	return checkRest(in.Folder, in.IdempotencyKey)
}

func checkName(name string) error {
	if !bundleName.MatchString(name) || strings.HasSuffix(name, ".") {
		return apperr.Input("name", "%.100q is no name of a model: give one in letters, digits, dots, dashes and underscores.", name)
	}
	return nil
}

func checkRest(folder, key *string) error {
	if folder != nil && !folderID.MatchString(*folder) {
		return apperr.Input("folder", "%.100q is no id of a models folder.", *folder)
	}
	return idempotency.CheckKey(key, "input", "idempotencyKey")
}
