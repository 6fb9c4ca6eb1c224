package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/jackc/pgx/v5"

	"parley/internal/testkit"
	"parley/internal/testkit/private"
)

// measureExternal measures notes and jobs on PostgreSQL, Redis and a NATS
// server, each private and with its distribution's settings.
func measureExternal(ctx context.Context, o options, r *report) error {
	admin, redis := os.Getenv(testkit.EnvPostgres), os.Getenv(testkit.EnvRedis)
	if admin == "" || redis == "" {
		fmt.Println("left out: `make bench` starts PostgreSQL and Redis for it")
		return nil
	}
	return onServers(ctx, o, admin, launch{engine: true, env: []string{"REDIS_URL=" + redis}}, func(p *process, _ string) error {
		if err := notesOn(ctx, o, p, r, "external"); err != nil {
			return err
		}
		return jobsOn(ctx, o, p, r, "external")
	})
}

// onServers runs a measurement on a fresh process that uses a private NATS and
// a database of its own, whose URL it tells.
func onServers(ctx context.Context, o options, admin string, l launch, measure func(p *process, database string) error) (err error) {
	nats, err := private.StartNATS(ctx, o.root)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, nats.Stop()) }()
	database, drop, err := newDatabase(ctx, admin)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, drop()) }()
	l.env = append(l.env, "DATABASE_URL="+database, "NATS_URL="+nats.URL)
	p, _, err := start(ctx, o, l)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	return measure(p, database)
}

// newDatabase makes an empty database and gives what drops it.
func newDatabase(ctx context.Context, admin string) (string, func() error, error) {
	name := "parley_bench_" + strings.ToLower(rand.Text()[:8])
	exec := func(ctx context.Context, statement string) error {
		conn, err := pgx.Connect(ctx, admin)
		if err != nil {
			return fmt.Errorf("connect to PostgreSQL: %w", err)
		}
		defer conn.Close(ctx)
		_, err = conn.Exec(ctx, statement)
		return err
	}
	if err := exec(ctx, "CREATE DATABASE "+name); err != nil {
		return "", nil, err
	}
	u, err := url.Parse(admin)
	if err != nil {
		return "", nil, err
	}
	u.Path = "/" + name
	return u.String(), func() error {
		return exec(context.WithoutCancel(ctx), "DROP DATABASE "+name+" WITH (FORCE)")
	}, nil
}
