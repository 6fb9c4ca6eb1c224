package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"parley/bench/paper"
	"parley/internal/testkit"
)

// domainConns is how many connections send at once.
const domainConns = 64

// bed is a running parley on PostgreSQL and NATS with accounts for the loads
// of practice and dialogs.
type bed struct {
	o        options
	p        *process
	r        *report
	database string
}

// noModels has a worker that does nothing: one with models would embed all texts meanwhile.
func noModels(l *launch) { l.engine = true }

// onPostgres runs a measurement on a fresh parley that uses a private NATS and
// a database of its own, with the distribution's settings.
func onPostgres(measure func(ctx context.Context, b bed) error, more ...func(*launch)) func(context.Context, options, *report) error {
	return func(ctx context.Context, o options, r *report) error {
		admin := os.Getenv(testkit.EnvPostgres)
		if admin == "" {
			fmt.Println("left out: `make bench` starts PostgreSQL for it")
			return nil
		}
		l := launch{engine: o.profile != ""}
		for _, m := range more {
			m(&l)
		}
		return onServers(ctx, o, admin, l, func(p *process, database string) error {
			return measure(ctx, bed{o: o, p: p, r: r, database: database})
		})
	}
}

// account makes an account with a role, which only the command line can, and
// gives its access token.
func (b bed) account(ctx context.Context, role string) (string, error) {
	const password = "correct horse battery"
	email := strings.ToLower(role) + "@bench.localhost"
	cmd := exec.CommandContext(ctx, b.o.binary, "user", "create", "--email", email, "--role", role, "--data", b.p.data, "--log-level", "warn")
	cmd.Env = append(withoutSettings(os.Environ()), "DATABASE_URL="+b.database, "PARLEY_PASSWORD="+password)
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("make an account: %w: %s", err, said.String())
	}
	c, err := dial(ctx, b.p.addr, "")
	if err != nil {
		return "", err
	}
	defer c.close()
	var out struct{ SignIn struct{ AccessToken string } }
	err = c.ask(`mutation($e: String!, $p: String!) { signIn(input: {email: $e, password: $p}) { accessToken } }`,
		map[string]any{"e": email, "p": password}, &out)
	return out.SignIn.AccessToken, err
}

// key makes an API key with the scopes.
func (b bed) key(ctx context.Context, scopes ...string) (string, error) {
	token, err := b.account(ctx, "SERVICE")
	if err != nil {
		return "", err
	}
	c, err := dial(ctx, b.p.addr, token)
	if err != nil {
		return "", err
	}
	defer c.close()
	var out struct{ CreateAPIKey struct{ Secret string } }
	err = c.ask(`mutation($s: [Scope!]!) { createApiKey(input: {name: "bench", scopes: $s}) { secret } }`, map[string]any{"s": scopes}, &out)
	return out.CreateAPIKey.Secret, err
}

// connect opens connections that all send the token.
func (b bed) connect(ctx context.Context, token string) ([]*httpConn, error) {
	return connect(ctx, b.p, []person{{token}}, domainConns)
}

// load measures an operation as fast as it goes, then at half of that rate.
func (b bed) load(ctx context.Context, conns []*httpConn, what row, next func(conn, n int) []byte) error {
	what.stack = "domains"
	err := repeat(ctx, b.o, b.p, b.r, what, func(d time.Duration) (sample, error) { return closedLoop(ctx, b.p, conns, d, next) })
	if err != nil {
		return err
	}
	added := &b.r.rows[len(b.r.rows)-1]
	calls := median(added.runs, sample.rate) / 2
	for range 3 {
		s, err := openLoop(ctx, b.p, conns, calls, pick(b.o, 5*time.Second, 2*time.Second), next)
		if err != nil {
			return err
		}
		added.half = append(added.half, s)
	}
	fmt.Printf("  at half load, %s/s: p50 %s ms, p99 %s ms\n", paper.Thousands(calls*float64(max(added.each, 1))), paper.Millis(added.halfP50()), paper.Millis(added.halfP99()))
	return nil
}
