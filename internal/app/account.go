package app

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"parley/ent/gen"
	"parley/internal/cache"
	"parley/internal/config"
)

// DeleteUser deletes the account with an e-mail address, and everything that is kept
// of it, in the database of the settings. Processes that run end its connections.
// After an error a part may be deleted, and calling again goes on.
func DeleteUser(ctx context.Context, cfg *config.Config, email string) (*gen.User, error) {
	return withDomains(ctx, cfg, email, func(p *parts, u *gen.User) error { return p.domains.DeleteAccount(ctx, u.ID) })
}

// ExportUser writes what is kept of the account with an e-mail address in the
// database of the settings, each row as a line of JSON with its type.
func ExportUser(ctx context.Context, cfg *config.Config, email string, w io.Writer) (*gen.User, error) {
	return withDomains(ctx, cfg, email, func(p *parts, u *gen.User) error {
		out := bufio.NewWriter(w)
		err := p.domains.ExportAccount(ctx, u.ID, func(kind string, row any) error { return writeRow(out, kind, row) })
		return errors.Join(err, out.Flush())
	})
}

// SeedUser gives the account with an e-mail address something to look at in the
// database of the settings.
func SeedUser(ctx context.Context, cfg *config.Config, email string) (*gen.User, error) {
	return withDomains(ctx, cfg, email, func(p *parts, u *gen.User) error { return p.domains.Seed(ctx, u.ID) })
}

// openOffline opens all domains on the settings' database without NATS. Processes
// that run beside it are told by the event log.
func openOffline(ctx context.Context, cfg *config.Config) (*parts, error) {
	p, err := openData(ctx, cfg, Serve)
	if err != nil {
		return nil, err
	}
	p.cache = cache.NewMemory(1 << 20) // nobody else's: theirs are told by the relay
	p.onClose(p.cache.Close)
	if err := p.openDomains(ctx); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// withDomains opens all domains for what is done with one account.
func withDomains(ctx context.Context, cfg *config.Config, email string, do func(*parts, *gen.User) error) (u *gen.User, err error) {
	p, err := openOffline(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if u, err = p.accounts.Named(ctx, email); err != nil {
		return nil, err
	}
	if err := do(p, u); err != nil {
		return nil, err
	}
	return u, nil
}

// writeRow writes a row of an export: its fields as JSON, the first of them its type.
func writeRow(w io.Writer, kind string, row any) error {
	head, err := json.Marshal(struct {
		Type string `json:"type"`
	}{kind})
	if err != nil {
		return err
	}
	fields, err := json.Marshal(row)
	if err != nil {
		return fmt.Errorf("write a %s: %w", kind, err)
	}
	if len(fields) < 2 || fields[0] != '{' {
		return fmt.Errorf("write a %s: %T is no JSON object", kind, row)
	}
	line := append(head[:len(head)-1], ',')
	if string(fields) == "{}" {
		line = head[:len(head)-1]
	}
	_, err = w.Write(append(append(line, fields[1:]...), '\n'))
	return err
}
