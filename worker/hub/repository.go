package hub

import (
	"fmt"
	"regexp"
	"strings"
)

const defaultRevision = "main"

// Repository is a model's repository at a revision.
type Repository struct {
	Owner, Name string
	// Revision is a branch, a tag or a commit; "" is the main branch.
	Revision string
}

// Names of owners and repositories are those that the hub allows to be made.
var (
	repositoryPart = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,95}$`)
	revisionName   = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._/+-]{0,199}$`)
)

// ParseRepository reads OWNER/NAME or OWNER/NAME@REVISION. It fails with ErrRequest.
func ParseRepository(text string) (Repository, error) {
	id, revision, pinned := strings.Cut(text, "@")
	owner, name, ok := strings.Cut(id, "/")
	if !ok || pinned && revision == "" {
		return Repository{}, fmt.Errorf("%w: %q is not OWNER/NAME or OWNER/NAME@REVISION", ErrRequest, text)
	}
	r := Repository{Owner: owner, Name: name, Revision: revision}
	return r, r.check()
}

func (r Repository) check() error {
	for _, part := range []string{r.Owner, r.Name} {
		if !repositoryPart.MatchString(part) || strings.Contains(part, "..") {
			return fmt.Errorf("%w: %q is no name on a hub; give OWNER/NAME in letters, digits, dots, dashes and underscores", ErrRequest, part)
		}
	}
	if r.Revision != "" && (!revisionName.MatchString(r.Revision) || strings.Contains(r.Revision, "..")) {
		return fmt.Errorf("%w: %q is no revision; give a branch, a tag or a commit", ErrRequest, r.Revision)
	}
	return nil
}

// ID is OWNER/NAME.
func (r Repository) ID() string { return r.Owner + "/" + r.Name }

// String is OWNER/NAME@REVISION, shorter for the main branch.
func (r Repository) String() string {
	if r.Revision == "" || r.Revision == defaultRevision {
		return r.ID()
	}
	return r.ID() + "@" + r.Revision
}
