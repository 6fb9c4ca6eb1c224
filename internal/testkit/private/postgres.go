package private

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
)

// StartPostgres makes a cluster and runs it with the settings that Debian
// ships (fsync stays on), on loopback only. Its URL names the database
// "postgres" as superuser. Root cannot run PostgreSQL, so as root it runs as
// the user postgres, or else nobody. root is the repository's root, below
// whose .cache/ the programs may lie. A *Missing error says that PostgreSQL is
// not on this machine.
func StartPostgres(ctx context.Context, root string) (*Server, error) {
	bin, env, err := findPostgres(root)
	if err != nil {
		return nil, err
	}
	owner, err := unprivileged()
	if err != nil {
		return nil, err
	}
	return launch(ctx, func(port int) (*Server, error) { return newPostgres(ctx, bin, env, owner, port) })
}

func newPostgres(ctx context.Context, bin string, env []string, owner *syscall.Credential, port int) (*Server, error) {
	dir, err := newDir("postgres")
	if err != nil {
		return nil, err
	}
	password := rand.Text()
	if err := initCluster(ctx, bin, env, owner, dir, password); err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	url := fmt.Sprintf("postgres://postgres:%s@127.0.0.1:%d/postgres?sslmode=disable", password, port)
	return &Server{
		URL:  url,
		name: "PostgreSQL",
		spec: spec{
			dir: dir, log: filepath.Join(dir, "log"), env: env, owner: owner,
			signal: "QUIT", // its immediate shutdown: the data goes anyway
			args: []string{
				filepath.Join(bin, "postgres"), "-D", filepath.Join(dir, "data"), "-p", strconv.Itoa(port),
				"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
				"-c", "max_connections=400", "-c", "max_prepared_transactions=10",
			},
		},
		ready: func(ctx context.Context) error {
			conn, err := pgx.Connect(ctx, url)
			if err != nil {
				return err
			}
			return conn.Close(ctx)
		},
	}, nil
}

func initCluster(ctx context.Context, bin string, env []string, owner *syscall.Credential, dir, password string) error {
	secret := filepath.Join(dir, "password")
	if err := os.WriteFile(secret, []byte(password+"\n"), 0o600); err != nil {
		return fmt.Errorf("write the cluster's password: %w", err)
	}
	if owner != nil {
		for _, path := range []string{dir, secret} {
			if err := os.Chown(path, int(owner.Uid), int(owner.Gid)); err != nil {
				return fmt.Errorf("hand the cluster's folder over: %w", err)
			}
		}
	}
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", filepath.Join(dir, "data"),
		"--username=postgres", "--pwfile="+secret, "--auth=password", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: owner}
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb in %s: %w\n%s", dir, err, output)
	}
	return nil
}

// findPostgres gives the folder of the server's programs and what their
// environment needs.
func findPostgres(root string) (bin string, env []string, err error) {
	if bin := os.Getenv("PARLEY_TEST_PG_BIN"); bin != "" {
		if _, err := os.Stat(filepath.Join(bin, "postgres")); err != nil {
			return "", nil, fmt.Errorf("PARLEY_TEST_PG_BIN has no postgres in it: %w", err)
		}
		return bin, nil, nil
	}
	if found := newest("/usr/lib/postgresql/*/bin/postgres"); found != "" {
		return filepath.Dir(found), nil, nil
	}
	extracted := filepath.Join(root, ".cache", "servers")
	if found := newest(filepath.Join(extracted, "usr/lib/postgresql/*/bin/postgres")); found != "" {
		return filepath.Dir(found), libraryPath(extracted), nil
	}
	if found, err := exec.LookPath("postgres"); err == nil {
		return filepath.Dir(found), nil, nil
	}
	return "", nil, &Missing{"PostgreSQL", "run `make test-deps`, install the package postgresql, or set PARLEY_TEST_PG_BIN to the folder of its programs"}
}

// libraryPath makes programs from extracted packages find their libraries.
func libraryPath(extracted string) []string {
	dirs, err := filepath.Glob(filepath.Join(extracted, "usr/lib/*-linux-gnu*"))
	if err != nil || len(dirs) == 0 {
		return nil
	}
	for _, dir := range dirs {
		if low := filepath.Join(extracted, "lib", filepath.Base(dir)); low != dir {
			dirs = append(dirs, low)
		}
	}
	return []string{"LD_LIBRARY_PATH=" + strings.Join(dirs, ":")}
}

// unprivileged gives the user that PostgreSQL runs as when this process is
// root, and nil when it is not.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // nil is the documented "stay who you are"
	}
	for _, name := range []string{"postgres", "nobody"} {
		account, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(account.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(account.Gid, 10, 32)
		if uidErr == nil && gidErr == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
		}
	}
	return nil, fmt.Errorf("PostgreSQL does not run as root, and this machine has neither a user postgres nor nobody to run it as")
}
