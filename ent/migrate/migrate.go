// Package migrate holds the versioned SQL of both dialects, made by the diff
// command beside it and never edited after a release.
package migrate

import (
	"embed"
	"io/fs"
)

//go:embed sqlite postgres
var files embed.FS

// Files gives the folder of a dialect: "sqlite" or "postgres".
func Files(dialect string) (fs.FS, error) { return fs.Sub(files, dialect) }
