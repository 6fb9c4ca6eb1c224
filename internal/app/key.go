package app

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"parley/internal/auth"
	"parley/internal/config"
)

// signingKey gives the configured key, or a dev key that is made on the first
// start and kept in the data folder.
func signingKey(cfg *config.Config) ([]byte, error) {
	if cfg.SigningKey != "" {
		return []byte(cfg.SigningKey), nil
	}
	file := filepath.Join(cfg.Data, "signing.key")
	data, err := os.ReadFile(file) //nolint:gosec // in the data folder
	if err == nil {
		return []byte(strings.TrimSpace(string(data))), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the signing key: %w", err)
	}
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	key, err := auth.NewSecret("")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(file, []byte(key+"\n"), 0o600); err != nil {
		return nil, fmt.Errorf("keep the signing key: %w", err)
	}
	slog.Info("made a signing key; set PARLEY_SIGNING_KEY where several processes share a database", "file", file)
	return []byte(key), nil
}
