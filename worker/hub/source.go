package hub

import (
	"context"
	"fmt"
	"net/url"
	"strings"
)

// source is where a bundle comes from: a hub or a folder.
type source interface {
	// list gives the files of the repository's commit, their names checked.
	list(ctx context.Context) (*listing, error)
	// fetch brings a file whole into p, going on from what is there where it can. That
	// the content is right is for the caller to check.
	fetch(ctx context.Context, f File, p *part) error
	close()
}

// listing is a repository at a commit.
type listing struct {
	// base, repository and commit go into the manifest.
	base, repository, commit string
	licence                  string
	languages                []string
	files                    []File
}

// Bounds of a listing, far above every repository of one model.
const (
	maxListed   = 20_000
	maxFileSize = 1 << 44
)

// add takes a file into the listing.
func (l *listing) add(f File) error {
	if err := checkPath(f.Path); err != nil {
		return err
	}
	if f.Size < 0 || f.Size > maxFileSize {
		return fmt.Errorf("%w: the size of %s is %d; pull from another repository or mirror", ErrUntrusted, f.Path, f.Size)
	}
	if len(l.files) == maxListed {
		return fmt.Errorf("%w: there are more than %d files; choose a repository of one model", ErrBound, maxListed)
	}
	l.files = append(l.files, f)
	return nil
}

func openSource(o Options) (source, error) {
	scheme, _, isURL := strings.Cut(o.From, "://")
	if !isURL {
		return openFolder(o)
	}
	base, err := url.Parse(strings.TrimRight(o.From, "/"))
	if err != nil || scheme != "http" && scheme != "https" || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, fmt.Errorf("%w: %q is no address of a hub; give one such as %s, or a folder", ErrRequest, o.From, DefaultBase)
	}
	return openRemote(o, base)
}
