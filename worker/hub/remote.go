package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// remote is a hub, or a mirror with its paths.
type remote struct {
	// transport is used without a client, which would follow redirects its own way.
	transport  *http.Transport
	base       *url.URL
	repository Repository
	token      string
	stall      time.Duration
	attempts   int
	wait       func(ctx context.Context, d time.Duration) error
	// commit is what the revision stands for, once list has asked.
	commit string
}

func openRemote(o Options, base *url.URL) (*remote, error) {
	if o.Token != "" && base.Scheme == "http" && !isLoopback(base.Hostname()) {
		return nil, fmt.Errorf("%w: a token is not sent to %s without encryption; give an https address, or no token", ErrRequest, base.Host)
	}
	if strings.ContainsFunc(o.Token, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return nil, fmt.Errorf("%w: the token has spaces or other characters that no token has; look at the file or HF_TOKEN", ErrRequest)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxResponseHeaderBytes = 256 << 10
	return &remote{transport: transport, base: base, repository: o.Repository, token: o.Token, stall: o.Stall, attempts: o.Attempts, wait: o.wait}, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (r *remote) close() { r.transport.CloseIdleConnections() }

// Bounds of what a hub tells of a repository.
const (
	maxPages    = 200
	maxPageSize = 16 << 20
)

var commitHash = regexp.MustCompile(`^[0-9a-f]{40}$|^[0-9a-f]{64}$`)

func (r *remote) list(ctx context.Context) (*listing, error) {
	var info struct {
		ID   string   `json:"id"`
		SHA  string   `json:"sha"`
		Card cardData `json:"cardData"`
		Tags []string `json:"tags"`
	}
	at := r.base.JoinPath("api", "models", r.repository.Owner, r.repository.Name, "revision", url.PathEscape(r.repository.Revision))
	if _, err := r.askJSON(ctx, at, &info); err != nil {
		return nil, err
	}
	if !commitHash.MatchString(info.SHA) {
		return nil, fmt.Errorf("%w: %s names no commit for the revision; look whether the address is a hub's", ErrUntrusted, r.base.Host)
	}
	r.commit = info.SHA
	l := &listing{base: r.base.String(), repository: r.repository.ID(), commit: info.SHA, licence: licenceIn(info.Card, info.Tags), languages: info.Card.Language}
	return l, r.listTree(ctx, l)
}

// listTree asks for all pages of the files.
func (r *remote) listTree(ctx context.Context, l *listing) error {
	at := r.base.JoinPath("api", "models", r.repository.Owner, r.repository.Name, "tree", l.commit)
	at.RawQuery = "recursive=true"
	asked := map[string]bool{}
	for at != nil {
		if asked[at.String()] || len(asked) == maxPages {
			return fmt.Errorf("%w: the list of files does not end: page %d is one that was there before, or there are more than %d; take another mirror", ErrUntrusted, len(asked)+1, maxPages)
		}
		asked[at.String()] = true
		var page []treeEntry
		header, err := r.askJSON(ctx, at, &page)
		if err != nil {
			return err
		}
		for _, e := range page {
			if err := e.addTo(l); err != nil {
				return err
			}
		}
		if at, err = r.nextPage(at, header); err != nil {
			return err
		}
	}
	return nil
}

// treeEntry is a file or a folder as the hub lists it. OID is git's hash of the blob; of a
// file in LFS that is its pointer's, and LFS.OID is the SHA-256 of its content.
type treeEntry struct {
	Type string `json:"type"`
	OID  string `json:"oid"`
	Size int64  `json:"size"`
	Path string `json:"path"`
	LFS  *struct {
		OID  string `json:"oid"`
		Size int64  `json:"size"`
	} `json:"lfs"`
}

var (
	sha1Digits   = regexp.MustCompile(`^[0-9a-f]{40}$`)
	sha256Digits = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

func (e *treeEntry) addTo(l *listing) error {
	f := File{Path: e.Path, Size: e.Size}
	switch {
	case e.Type != "file":
		return nil
	case e.LFS != nil && sha256Digits.MatchString(e.LFS.OID):
		f.Size, f.SHA256 = e.LFS.Size, e.LFS.OID
	case e.LFS == nil && sha1Digits.MatchString(e.OID):
		f.Blob = e.OID
	default:
		return fmt.Errorf("%w: the list gives no digest of %.80q; take another mirror", ErrUntrusted, e.Path)
	}
	if f.Size != e.Size {
		return fmt.Errorf("%w: the list gives two sizes of %.80q, %d and %d; take another mirror", ErrUntrusted, e.Path, e.Size, f.Size)
	}
	return l.add(f)
}

var nextLink = regexp.MustCompile(`<([^<>]*)>\s*;[^,]*\brel="?next\b`)

// nextPage reads the Link header (RFC 8288); nil says that there is no other page.
func (r *remote) nextPage(at *url.URL, header http.Header) (*url.URL, error) {
	m := nextLink.FindStringSubmatch(strings.Join(header.Values("Link"), ", "))
	if m == nil {
		return nil, nil
	}
	next, err := at.Parse(m[1])
	if err != nil || !r.isBase(next) {
		return nil, fmt.Errorf("%w: the next page of the files is on another host than %s; take another mirror", ErrUntrusted, r.base.Host)
	}
	next.Fragment = ""
	return next, nil
}

// isBase tells whether an address is the hub's own: scheme, host and port. Only there
// goes the token.
func (r *remote) isBase(at *url.URL) bool {
	return at.Scheme == r.base.Scheme && strings.EqualFold(at.Host, r.base.Host) && at.User == nil
}

// askJSON asks for a page and reads it whole.
func (r *remote) askJSON(ctx context.Context, at *url.URL, into any) (header http.Header, err error) {
	err = r.retry(ctx, func(ctx context.Context, watch *watch) error {
		answer, err := r.get(ctx, at, nil)
		if err != nil {
			return err
		}
		defer answer.body.Close()
		data, err := io.ReadAll(io.LimitReader(&watchedReader{watch, answer.body}, maxPageSize+1))
		switch {
		case err != nil:
			return &temporary{error: fmt.Errorf("%w: read %s: %w", ErrUnreachable, shown(at), err)}
		case len(data) > maxPageSize:
			return fmt.Errorf("%w: %s sends more than %d bytes; look whether the address is a hub's", ErrUntrusted, shown(at), maxPageSize)
		}
		if err := json.Unmarshal(data, into); err != nil {
			return fmt.Errorf("%w: %s is not what a hub answers; look whether the address is a hub's: %w", ErrUntrusted, shown(at), err)
		}
		header = answer.header
		return nil
	})
	return header, err
}

// shown is an address for a message: without a query, which may hold a signature.
func shown(at *url.URL) string { return clip(at.Host + "/" + strings.TrimPrefix(at.Path, "/")) }

// answer is what came at the end of the redirects.
type answer struct {
	status int
	header http.Header
	body   io.ReadCloser
	// linked is what the hub itself said of the file on the way.
	linked linked
}

// linked are the hub's headers about a file that it redirects to: X-Repo-Commit,
// X-Linked-ETag without quotes, and X-Linked-Size, -1 without it.
type linked struct {
	commit, etag string
	size         int64
}

const maxRedirects = 10

// get follows redirects itself: the token goes to the hub alone, and what the hub says on
// the way counts. An answer other than 200, 206 and 416 is an error.
func (r *remote) get(ctx context.Context, at *url.URL, header http.Header) (*answer, error) {
	known := linked{size: -1}
	for range maxRedirects {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrRequest, err)
		}
		if header != nil {
			request.Header = header.Clone()
		}
		request.Header.Set("User-Agent", "parley")
		if r.token != "" && r.isBase(at) {
			request.Header.Set("Authorization", "Bearer "+r.token)
		}
		response, err := r.transport.RoundTrip(request)
		if err != nil {
			return nil, networkError(ctx, at, err)
		}
		if r.isBase(at) {
			known.note(response.Header)
		}
		if !isRedirect(response.StatusCode) {
			if err := r.refusal(at, response); err != nil {
				_ = response.Body.Close()
				return nil, err
			}
			return &answer{status: response.StatusCode, header: response.Header, body: response.Body, linked: known}, nil
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 16<<10))
		_ = response.Body.Close()
		if at, err = redirected(at, response.Header.Get("Location")); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%w: %s redirects more than %d times; take another mirror", ErrUntrusted, shown(at), maxRedirects)
}

func (l *linked) note(h http.Header) {
	if v := h.Get("X-Repo-Commit"); v != "" {
		l.commit = v
	}
	if v := h.Get("X-Linked-ETag"); v != "" {
		l.etag = strings.Trim(strings.TrimPrefix(v, "W/"), `"`)
	}
	if n, err := strconv.ParseInt(h.Get("X-Linked-Size"), 10, 64); err == nil {
		l.size = n
	}
}

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// redirected is where a redirect leads, which may be another host, but neither another
// kind of address nor one without the encryption that there was.
func redirected(at *url.URL, location string) (*url.URL, error) {
	next, err := at.Parse(location)
	if err != nil || location == "" {
		return nil, fmt.Errorf("%w: %s redirects to nowhere; take another mirror", ErrUntrusted, shown(at))
	}
	if next.Scheme != "https" && (next.Scheme != "http" || at.Scheme == "https") || next.Host == "" {
		return nil, fmt.Errorf("%w: %s redirects to an address of the kind %.20q, which is not followed; take another mirror", ErrUntrusted, shown(at), next.Scheme)
	}
	return next, nil
}

// networkError sorts what prevented an answer.
func networkError(ctx context.Context, at *url.URL, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		err = cause
	}
	wrapped := fmt.Errorf("%w: ask %s: %w", ErrUnreachable, shown(at), err)
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		return fmt.Errorf("%w; check the address, the network and the proxy", wrapped)
	}
	return &temporary{error: wrapped}
}
