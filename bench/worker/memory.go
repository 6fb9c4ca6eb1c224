package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// memoryRow is one start of parley serve: resident memory by kind, in bytes, when it is
// ready and after a translation.
type memoryRow struct{ ready, after map[string]int64 }

// measureMemory starts parley with translate-mini alone, lets it translate a note and
// reads what its memory consists of, twice.
func measureMemory(ctx context.Context, o options, r *report) error {
	models, err := os.MkdirTemp("", "bench-worker-models-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(models)
	if err := os.CopyFS(filepath.Join(models, "translate-mini"), os.DirFS(filepath.Join(o.root, "models", "translate-mini"))); err != nil {
		return err
	}
	for range 2 {
		row, err := memoryOf(ctx, o, models)
		if err != nil {
			return err
		}
		r.memory = append(r.memory, row)
		fmt.Printf("ready: %s\nafter a translation: %s\n", kinds(row.ready), kinds(row.after))
	}
	return nil
}

// memoryKinds are in the order in which they are told.
var memoryKinds = []string{total, "Go heap", "C heap and other anonymous memory", "ONNX Runtime's library", "parley's code and constants", "other files"}

const total = "resident"

func kinds(of map[string]int64) string {
	parts := make([]string, 0, len(memoryKinds))
	for _, k := range memoryKinds {
		parts = append(parts, fmt.Sprintf("%s %.1f MiB", k, float64(of[k])/(1<<20)))
	}
	return strings.Join(parts, ", ")
}

func memoryOf(ctx context.Context, o options, models string) (row *memoryRow, err error) {
	data, err := os.MkdirTemp("", "bench-worker-data-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(data)) }()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, o.binary, "serve", "--listen", address, "--data", data, "--models", models, "--log-level", "warn", "--demo", "off")
	cmd.Dir, cmd.Cancel, cmd.WaitDelay = o.root, func() error { return cmd.Process.Signal(syscall.SIGTERM) }, 20*time.Second
	cmd.Env = withoutSettings(os.Environ())
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("there is no parley to measure, run `make build` first: %w", err)
	}
	defer func() {
		cancel()
		_ = cmd.Wait() // it was told to end
	}()
	c := client{base: "http://" + address}
	if err := c.ready(ctx); err != nil {
		return nil, err
	}
	row = &memoryRow{}
	if row.ready, err = resident(cmd.Process.Pid); err != nil {
		return nil, err
	}
	if err := c.translate(ctx); err != nil {
		return nil, err
	}
	row.after, err = resident(cmd.Process.Pid)
	return row, err
}

// withoutSettings keeps a developer's settings out of the measurement.
func withoutSettings(env []string) []string {
	var kept []string
	for _, v := range env {
		if !strings.HasPrefix(v, "PARLEY_") && !strings.HasPrefix(v, "DATABASE_URL=") && !strings.HasPrefix(v, "NATS_URL=") && !strings.HasPrefix(v, "REDIS_URL=") {
			kept = append(kept, v)
		}
	}
	return kept
}

// client asks a parley over GraphQL.
type client struct{ base, token string }

func (c *client) ready(ctx context.Context) error {
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/readyz", nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("parley is not ready: %w", ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (c *client) ask(ctx context.Context, query string, variables map[string]any, into any) error {
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+"/graphql", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	var answer struct{ Data, Errors json.RawMessage }
	if err := json.Unmarshal(text, &answer); err != nil || len(answer.Errors) > 0 {
		return fmt.Errorf("%s: %s", query, text)
	}
	return json.Unmarshal(answer.Data, into)
}

// translate makes an account and a note, and waits until the note is translated.
func (c *client) translate(ctx context.Context) error {
	var out struct {
		SignUp     struct{ AccessToken string }
		CreateNote struct{ Note struct{ ID string } }
		Note       struct{ Translations []struct{ Text *string } }
	}
	err := c.ask(ctx, `mutation { signUp(input: {email: "memory@bench.localhost", password: "correct horse battery"}) { accessToken } }`, nil, &out)
	if err != nil {
		return err
	}
	c.token = out.SignUp.AccessToken
	note := map[string]any{"input": map[string]string{"title": "Memory", "text": passage, "language": "en"}}
	if err := c.ask(ctx, `mutation($input: CreateNoteInput!) { createNote(input: $input) { note { id } } }`, note, &out); err != nil {
		return err
	}
	id := map[string]any{"id": out.CreateNote.Note.ID}
	if err := c.ask(ctx, `mutation($id: ID!) { translateNote(input: {noteId: $id, languages: ["es"]}) { cursor } }`, id, &out); err != nil {
		return err
	}
	for {
		if err := c.ask(ctx, `query($id: ID!) { note(id: $id) { translations { text } } }`, id, &out); err != nil {
			return err
		}
		if t := out.Note.Translations; len(t) > 0 && t[0].Text != nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the note was not translated: %w", ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}
