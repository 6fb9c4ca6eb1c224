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
func measureExternal(ctx context.Context, o options, r *report) (err error) {
	admin, redis := os.Getenv(testkit.EnvPostgres), os.Getenv(testkit.EnvRedis)
	if admin == "" || redis == "" {
		fmt.Println("left out: `make bench` starts PostgreSQL and Redis for it")
		return nil
	}
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
	p, _, err := start(ctx, o, launch{engine: true, env: []string{"DATABASE_URL=" + database, "NATS_URL=" + nats.URL, "REDIS_URL=" + redis}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	if err := notesOn(ctx, o, p, r, "external"); err != nil {
		return err
	}
	return jobsOn(ctx, o, p, r, "external")
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
