package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// fetch downloads the rest of a file, in as many attempts as it takes.
func (r *remote) fetch(ctx context.Context, f File, p *part) error {
	return r.retry(ctx, func(ctx context.Context, w *watch) error { return r.fetchOnce(ctx, w, f, p) })
}

func (r *remote) fetchOnce(ctx context.Context, w *watch, f File, p *part) error {
	if p.size > f.Size || p.whole && p.size < f.Size {
		if err := p.reset(); err != nil {
			return err
		}
	}
	if p.size == f.Size {
		return nil
	}
	answer, err := r.get(ctx, r.resolve(f), rangeHeader(p))
	if err != nil {
		return err
	}
	defer answer.body.Close()
	if err := r.checkLinked(answer.linked, f); err != nil {
		return err
	}
	if err := p.prepare(answer, f); err != nil {
		return err
	}
	rest := f.Size - p.size
	if n, err := strconv.ParseInt(answer.header.Get("Content-Length"), 10, 64); err == nil && n != rest {
		return fmt.Errorf("%w: the length of %s is %d instead of %d bytes; take another mirror", ErrUntrusted, f.Path, f.Size-rest+n, f.Size)
	}
	return p.receive(ctx, f, &watchedReader{w, answer.body})
}

// resolve is the address of a file's content.
func (r *remote) resolve(f File) *url.URL {
	parts := []string{r.repository.Owner, r.repository.Name, "resolve", r.commit}
	for part := range strings.SplitSeq(f.Path, "/") {
		parts = append(parts, url.PathEscape(part))
	}
	return r.base.JoinPath(parts...)
}

// rangeHeader asks for what is missing, as it is: compressed, its length and its ranges
// would be others.
func rangeHeader(p *part) http.Header {
	h := http.Header{"Accept-Encoding": {"identity"}}
	if p.size > 0 {
		h.Set("Range", fmt.Sprintf("bytes=%d-", p.size))
		if etag := p.etag(); etag != "" {
			h.Set("If-Range", etag)
		}
	}
	return h
}

// checkLinked compares what the hub says of a file on the way with its listing.
func (r *remote) checkLinked(l linked, f File) error {
	want := f.SHA256
	if want == "" {
		want = f.Blob
	}
	switch {
	case l.commit != "" && l.commit != r.commit:
		return fmt.Errorf("%w: %s comes from the commit %s instead of %s; take another mirror", ErrUntrusted, f.Path, clip(l.commit), r.commit)
	case l.size >= 0 && l.size != f.Size:
		return fmt.Errorf("%w: the length of %s is %d instead of %d bytes; take another mirror", ErrUntrusted, f.Path, l.size, f.Size)
	case len(l.etag) == len(want) && !strings.EqualFold(l.etag, want):
		return fmt.Errorf("%w: the digest of %s is %s instead of %s; take another mirror", ErrUntrusted, f.Path, clip(l.etag), want)
	}
	return nil
}

// prepare makes the part ready for the answer's body: a range goes on, anything else
// begins anew. A wrong range is not used; the next attempt asks for the whole.
func (p *part) prepare(a *answer, f File) error {
	if encoding := a.header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return fmt.Errorf("%w: %s comes compressed (%s), which was not asked for; take another mirror or go without the proxy", ErrUntrusted, f.Path, clip(encoding))
	}
	etag := a.header.Get("ETag")
	if a.status == http.StatusOK {
		if err := p.reset(); err != nil {
			return err
		}
		return p.setETag(etag)
	}
	wrong := ""
	switch known := p.etag(); {
	case a.status == http.StatusRequestedRangeNotSatisfiable:
		wrong = "the range is refused"
	case p.size == 0:
		wrong = "a range came that was not asked for"
	case !rangeMatches(a.header.Get("Content-Range"), p.size, f.Size):
		wrong = "another range came than was asked for"
	case known != "" && etag != "" && etag != known:
		wrong = "the file changed between its parts"
	default:
		p.resumed = true
		return nil
	}
	p.whole = true
	if err := p.reset(); err != nil {
		return err
	}
	return &temporary{error: fmt.Errorf("%w: %s: %s", ErrUntrusted, f.Path, wrong)}
}

var contentRange = regexp.MustCompile(`^bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)$`)

// rangeMatches tells whether a Content-Range is that of the rest of a file.
func rangeMatches(value string, from, size int64) bool {
	m := contentRange.FindStringSubmatch(value)
	return m != nil && m[1] == strconv.FormatInt(from, 10) && m[2] == strconv.FormatInt(size-1, 10) &&
		(m[3] == "*" || m[3] == strconv.FormatInt(size, 10))
}

// goodDeal is how much further than all before an attempt must come to count as none, so
// that a server that sends a byte a time is given up, and one that always breaks off.
const goodDeal = 1 << 20

// receive appends a body that must be the rest of the file.
func (p *part) receive(ctx context.Context, f File, body io.Reader) error {
	rest := f.Size - p.size
	n, err := io.CopyBuffer(p, io.LimitReader(body, rest), make([]byte, 256<<10))
	var disk *diskError
	switch {
	case errors.As(err, &disk):
		return fmt.Errorf("write %s: %w", f.Path, err)
	case err != nil || n < rest:
		if err == nil {
			err = io.ErrUnexpectedEOF
		}
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		came := p.size >= p.furthest+goodDeal
		p.furthest = max(p.furthest, p.size)
		return &temporary{error: fmt.Errorf("%w: after %d of %d bytes: %w", ErrUnreachable, p.size, f.Size, err), came: came}
	}
	// A body that is too long is not of this file, whatever it begins with.
	if extra, _ := io.ReadFull(body, make([]byte, 1)); extra > 0 {
		return errors.Join(fmt.Errorf("%w: %s is longer than its %d bytes; take another mirror", ErrUntrusted, f.Path, f.Size), p.reset())
	}
	return nil
}
