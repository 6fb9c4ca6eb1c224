package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// temporary is a failure after which another attempt may succeed.
type temporary struct {
	error
	// after is how long the server wants to be left alone, 0 where it does not say.
	after time.Duration
	// came says that the attempt brought a good deal, so that it counts as none.
	came bool
}

func (t *temporary) Unwrap() error { return t.error }

// Pauses between attempts grow from the first to the longest; who wants a longer one
// than maxRetryAfter is asked another day.
const (
	firstPause    = time.Second
	longestPause  = 30 * time.Second
	maxRetryAfter = 2 * time.Minute
)

// retry runs attempts until one succeeds, fails for good, or as many in a row failed as
// are allowed. An attempt ends when the server sends nothing for too long.
func (r *remote) retry(ctx context.Context, attempt func(context.Context, *watch) error) error {
	grow := firstPause
	for failed := 0; ; {
		err := r.once(ctx, attempt)
		var t *temporary
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !errors.As(err, &t):
			return err
		}
		if failed++; t.came {
			failed, grow = 1, firstPause
		}
		if failed >= r.attempts {
			return fmt.Errorf("%w; gave up after %d attempts, run the command again to go on from here", t.error, failed)
		}
		if t.after > maxRetryAfter {
			return fmt.Errorf("%w; it asks to wait for %v, so run the command again then", t.error, t.after.Round(time.Second))
		}
		// The jitter keeps many who were cut off together from coming back together.
		wait := max(t.after, grow-time.Duration(rand.Int64N(int64(grow)/4)))
		if err := r.wait(ctx, wait); err != nil {
			return err
		}
		grow = min(2*grow, longestPause)
	}
}

// once runs one attempt under a watch.
func (r *remote) once(ctx context.Context, attempt func(context.Context, *watch) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w := &watch{stall: r.stall, timer: time.AfterFunc(r.stall, func() { cancel(errStalled) })}
	defer w.timer.Stop()
	return attempt(ctx, w)
}

var errStalled = errors.New("the server sends nothing any more")

// watch ends an attempt when nothing comes.
type watch struct {
	stall time.Duration
	timer *time.Timer
}

// watchedReader tells the watch of every byte that comes.
type watchedReader struct {
	watch *watch
	from  io.Reader
}

func (r *watchedReader) Read(into []byte) (int, error) {
	n, err := r.from.Read(into)
	if n > 0 {
		r.watch.timer.Reset(r.watch.stall)
	}
	return n, err
}

// refusal turns an answer other than 200, 206 and 416 into an error with advice.
func (r *remote) refusal(at *url.URL, response *http.Response) error {
	status := response.StatusCode
	reason := ""
	if said := clip(response.Header.Get("X-Error-Message")); said != "" {
		reason = fmt.Sprintf(" (%s)", said)
	}
	switch status {
	case http.StatusOK, http.StatusPartialContent, http.StatusRequestedRangeNotSatisfiable:
		return nil
	case http.StatusUnauthorized:
		advice := "give a token with --token-file or HF_TOKEN"
		if r.token != "" {
			advice = "check the token, it was not accepted"
		}
		return fmt.Errorf("%w: %s answers 401%s: there is no %s, or it is private or gated; check the name, or %s", ErrDenied, at.Host, reason, r.repository, advice)
	case http.StatusForbidden:
		return fmt.Errorf("%w: %s answers 403%s: ask for access on the page of %s, and give the token of that account", ErrDenied, at.Host, reason, r.repository)
	case http.StatusNotFound, http.StatusGone:
		return fmt.Errorf("%w: %s answers %d%s: there is no %s; check the owner, the name and the revision", ErrMissing, shown(at), status, reason, r.repository)
	}
	err := fmt.Errorf("%w: %s answers %d%s", ErrUnreachable, shown(at), status, reason)
	if status == http.StatusTooManyRequests || status == http.StatusRequestTimeout || status >= 500 {
		return &temporary{error: err, after: retryAfter(response.Header.Get("Retry-After"))}
	}
	return fmt.Errorf("%w; look whether the address is a hub's", err)
}

// retryAfter reads seconds or a date; 0 is none.
func retryAfter(value string) time.Duration {
	if seconds, err := strconv.Atoi(value); err == nil {
		return time.Duration(min(max(seconds, 0), 1<<30)) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}
