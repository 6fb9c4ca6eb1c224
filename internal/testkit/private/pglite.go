package private

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/jackc/pgx/v5"
)

// StartPGlite runs PGlite, which is PostgreSQL with pgvector in WebAssembly, in
// memory and on loopback only. All its connections share one session, with its
// transaction, settings and prepared statements: clients use one connection at a
// time and prepare nothing by name, which the URL says to pgx. The packages lie
// in internal/testkit/pglite below the repository's root. A *Missing error says
// that they or Node.js are not there.
func StartPGlite(ctx context.Context, root string) (*Server, error) {
	dir := filepath.Join(root, "internal", "testkit", "pglite")
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "@electric-sql", "pglite")); err != nil {
		return nil, &Missing{"PGlite", "run `make test-deps`, which gets its npm packages"}
	}
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, &Missing{"Node.js", "install Node.js 20 or newer"}
	}
	return launch(ctx, func(port int) (*Server, error) { return newPGlite(node, filepath.Join(dir, "server.mjs"), port) })
}

func newPGlite(node, script string, port int) (*Server, error) {
	dir, err := newDir("pglite")
	if err != nil {
		return nil, err
	}
	url := fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable&default_query_exec_mode=cache_describe", port)
	return &Server{
		URL:  url,
		name: "PGlite",
		spec: spec{dir: dir, log: filepath.Join(dir, "log"), signal: "TERM", args: []string{node, script, strconv.Itoa(port)}},
		ready: func(ctx context.Context) error {
			conn, err := pgx.Connect(ctx, url)
			if err != nil {
				return err
			}
			return conn.Close(ctx)
		},
	}, nil
}
