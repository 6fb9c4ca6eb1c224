package private

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
)

// S3Version is the version of the module github.com/versity/versitygw that make
// test-deps builds; the Makefile reads it here.
const S3Version = "v1.8.0"

// The keys of a private S3 server.
const (
	S3Key    = "parley-test"
	S3Secret = "parley-test-secret"
)

// StartS3 runs versitygw, an S3 server whose buckets are the folders in Buckets, on
// loopback only. The program lies in .cache/bin below the repository's root. A *Missing
// error says that it is not there.
func StartS3(ctx context.Context, root string) (*Server, error) {
	program := filepath.Join(root, ".cache", "bin", "versitygw-"+S3Version)
	if _, err := os.Stat(program); err != nil {
		return nil, &Missing{"versitygw", "run `make test-deps`, which builds it"}
	}
	return launch(ctx, func(port int) (*Server, error) { return newS3(program, port) })
}

// Buckets is the folder whose folders are the buckets of a private S3 server.
func Buckets(s *Server) string { return filepath.Join(s.Dir(), "buckets") }

func newS3(program string, port int) (*Server, error) {
	dir, err := newDir("s3")
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"buckets", "attributes"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			return nil, fmt.Errorf("make a folder for versitygw: %w", err)
		}
	}
	address := "127.0.0.1:" + strconv.Itoa(port)
	return &Server{
		URL:  "http://" + address,
		name: "versitygw",
		spec: spec{
			dir: dir, log: filepath.Join(dir, "log"), signal: "TERM",
			args: []string{
				program, "--access", S3Key, "--secret", S3Secret, "--region", "us-east-1", "--port", address, "--health", "/health",
				// Attributes beside the files, since not every file system has them.
				"posix", "--sidecar", filepath.Join(dir, "attributes"), filepath.Join(dir, "buckets"),
			},
		},
		ready: func(ctx context.Context) error {
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/health", nil)
			if err != nil {
				return err
			}
			answer, err := http.DefaultClient.Do(r)
			if err != nil {
				return err
			}
			defer answer.Body.Close()
			if answer.StatusCode != http.StatusOK {
				return fmt.Errorf("it answers %s", answer.Status)
			}
			return nil
		},
	}, nil
}
