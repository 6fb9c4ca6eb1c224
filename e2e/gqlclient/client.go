// Package gqlclient is a small GraphQL client for tests: operations over HTTP,
// subscriptions over graphql-transport-ws.
package gqlclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Vars are the variables of an operation.
type Vars map[string]any

// Error is a GraphQL error as parley writes it.
type Error struct {
	Message    string `json:"message"`
	Path       []any  `json:"path"`
	Extensions struct {
		Code       string   `json:"code"`
		Argument   []string `json:"argument"`
		RetryAfter int      `json:"retryAfter"`
		Reference  string   `json:"reference"`
	} `json:"extensions"`
}

// Response is the answer to an operation.
type Response struct {
	Data   json.RawMessage `json:"data"`
	Errors []Error         `json:"errors"`
	// Status, Header and Body are those of HTTP.
	Status int         `json:"-"`
	Header http.Header `json:"-"`
	Body   []byte      `json:"-"`
}

// Code is the code of the first error, empty without one.
func (r *Response) Code() string {
	if len(r.Errors) == 0 {
		return ""
	}
	return r.Errors[0].Extensions.Code
}

// Err joins the errors.
func (r *Response) Err() error {
	var all []error
	for _, e := range r.Errors {
		all = append(all, fmt.Errorf("%s: %s %v", e.Extensions.Code, e.Message, e.Path))
	}
	return errors.Join(all...)
}

// Client sends operations to one server as one viewer.
type Client struct {
	// URL is the server's, without a path.
	URL string
	// Token is the access token; empty for nobody.
	Token string
	// Header is added to every request.
	Header http.Header
	// HTTP is the client used; http.DefaultClient when nil.
	HTTP *http.Client
}

// As gives a client of the same server with another token.
func (c *Client) As(token string) *Client {
	other := *c
	other.Token = token
	return &other
}

// Do sends an operation by POST. The error says that no answer came.
func (c *Client) Do(ctx context.Context, query string, vars Vars) (*Response, error) {
	body, err := json.Marshal(map[string]any{"query": query, "variables": vars})
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL+"/graphql", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	return c.Send(r)
}

// Send sends a request of the caller's making and reads the answer.
func (c *Client) Send(r *http.Request) (*Response, error) {
	for name, values := range c.Header {
		r.Header[name] = values
	}
	if c.Token != "" {
		r.Header.Set("Authorization", "Bearer "+c.Token)
	}
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	answer, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	out := &Response{Status: answer.StatusCode, Header: answer.Header, Body: body}
	if !strings.Contains(answer.Header.Get("Content-Type"), "json") {
		return out, nil
	}
	if err := json.Unmarshal(body, out); err != nil {
		return nil, fmt.Errorf("the answer %.200q is no GraphQL response: %w", body, err)
	}
	return out, nil
}

// Must sends an operation that has to succeed and reads its data into into,
// which may be nil.
func (c *Client) Must(t testing.TB, query string, vars Vars, into any) {
	t.Helper()
	r, err := c.Do(t.Context(), query, vars)
	if err == nil {
		err = r.Err()
	}
	if err == nil && into != nil {
		err = json.Unmarshal(r.Data, into)
	}
	require.NoError(t, err, "%.80s", query)
}
