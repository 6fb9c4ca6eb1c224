package store

import (
	"fmt"
	"io/fs"

	"ariga.io/atlas/sql/migrate"

	files "parley/ent/migrate"
)

// migration is one versioned file of ent/migrate.
type migration struct {
	// version is the number at the beginning of the file's name.
	version, name string
	// checksum is that of atlas.sum: of this file and of all before it.
	checksum   string
	statements []string
}

// migrations gives the dialect's migrations, the oldest first, after comparing
// them with their checksums.
func migrations(postgres bool) ([]migration, error) {
	folder := "sqlite"
	if postgres {
		folder = "postgres"
	}
	dir, err := files.Files(folder)
	if err != nil {
		return nil, err
	}
	known, err := readMigrations(dir)
	if err != nil {
		return nil, fmt.Errorf("the %s migrations in this binary can't be used: %w", folder, err)
	}
	return known, nil
}

func readMigrations(src fs.FS) ([]migration, error) {
	dir := &migrate.MemDir{}
	names, err := fs.Glob(src, "*")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		data, err := fs.ReadFile(src, name)
		if err != nil {
			return nil, err
		}
		if err := dir.WriteFile(name, data); err != nil {
			return nil, err
		}
	}
	if err := migrate.Validate(dir); err != nil {
		return nil, err
	}
	sums, err := dir.Checksum()
	if err != nil {
		return nil, err
	}
	all, err := dir.Files() // in the order of their names
	if err != nil {
		return nil, err
	}
	known := make([]migration, len(all))
	for i, f := range all {
		known[i] = migration{version: f.Version(), name: f.Name()}
		if known[i].checksum, err = sums.SumByName(f.Name()); err != nil {
			return nil, err
		}
		if known[i].statements, err = f.Stmts(); err != nil {
			return nil, fmt.Errorf("split %s into statements: %w", f.Name(), err)
		}
	}
	return known, nil
}
