package fault

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"parley/e2e/gqlclient"
)

// eventSource starts a client that does what a browser's EventSource does: it
// comes back whenever its stream has ended, says in Last-Event-ID what it has,
// and gives up when it is answered anything but a stream. It ends with the test.
func eventSource(t testing.TB, u *user, url string) *record {
	t.Helper()
	r := newRecord("EventSource")
	token := u.session(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		comeBack(ctx, r, url, token)
	}()
	t.Cleanup(func() {
		stop()
		<-ended
	})
	return r
}

func comeBack(ctx context.Context, r *record, url, token string) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for last := ""; ; pause.Reset(200 * time.Millisecond) {
		select {
		case <-pause.C:
		case <-ctx.Done():
			return
		}
		request, err := eventSourceRequest(ctx, url, last)
		if err != nil {
			r.problem("%v", err)
			return
		}
		fresh := true
		err = readStream(request, token, func(id string, response *gqlclient.Response) (bool, error) {
			if fresh {
				r.connected()
			}
			fresh, last = false, id
			raw, err := eventIn(response)
			if err == nil {
				r.add(raw)
			}
			return true, err
		})
		if wrong := (*wrongAnswer)(nil); errors.As(err, &wrong) {
			r.problem("the client gave up: %v", err)
			return
		}
	}
}

// eventSourceRequest is what a browser sends for the events: the URL is the same
// each time, and only Last-Event-ID says what the client has.
func eventSourceRequest(ctx context.Context, server, last string) (*http.Request, error) {
	query := url.Values{"query": {"subscription { events { " + eventFields + " } }"}}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server+"/graphql?"+query.Encode(), nil)
	if err == nil && last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	return r, err
}

// wrongAnswer is an answer that does not come from a lost connection.
type wrongAnswer struct{ error }

// eventIn gives the event of a response of the subscription.
func eventIn(r *gqlclient.Response) (json.RawMessage, error) {
	var data struct{ Events json.RawMessage }
	err := r.Err()
	if err == nil {
		err = json.Unmarshal(r.Data, &data)
	}
	if err != nil {
		return nil, &wrongAnswer{err}
	}
	return data.Events, nil
}

// readStream sends a request and gives each response of its stream with its id,
// as long as each wants more. Any end of the stream is an error.
func readStream(r *http.Request, token string, each func(id string, response *gqlclient.Response) (more bool, err error)) error {
	r.Header.Set("Accept", "text/event-stream")
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(answer.Body)
		return &wrongAnswer{fmt.Errorf("status %d: %.300s", answer.StatusCode, body)}
	}
	lines := bufio.NewScanner(answer.Body)
	var kind, id, data string
	for lines.Scan() {
		switch name, value, _ := strings.Cut(lines.Text(), ": "); name {
		case "event":
			kind = value
		case "id":
			id = value
		case "data":
			data = value
		case "": // an event is whole with the empty line behind it
			if kind == "" {
				continue // a comment
			}
			var response gqlclient.Response
			if err := json.Unmarshal([]byte(data), &response); err != nil || kind != "next" {
				return &wrongAnswer{fmt.Errorf("the stream brought %s %.300s", kind, data)}
			}
			if more, err := each(id, &response); err != nil || !more {
				return err
			}
			kind, data = "", ""
		}
	}
	return errors.Join(io.ErrUnexpectedEOF, lines.Err())
}
