package indexing

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"parley/internal/event"
	"parley/internal/vector"
)

// files have vectors in memory, and keep them in files from one start to the next.
type files struct {
	service *Service
	// folder is Follower.Folder.
	folder string
}

// config is what the vectors of an index are kept with.
func (f *files) config(index *Index) vector.Config {
	return vector.Config{
		Dimension: index.Dimensions, Model: vector.Model{Name: index.Model, Digest: index.Digest}, Folder: f.folder,
	}
}

// file is where the vectors of a shelf lie.
func (f *files) file(index string, s shelf) string {
	return filepath.Join(f.folder, index, s.String()+".vectors")
}

// open takes an index from its files and tells up to which event they are right. Of files
// that are missing, or are no whole ones, it is not ok.
func (f *files) open(_ context.Context, index *Index) (g *Generation, at event.Cursor, ok bool) {
	if f.folder == "" {
		return nil, at, false
	}
	first := true
	g, err := newGeneration(index, f.service.Sources, func(s shelf) (vector.Index, error) {
		x, position, err := vector.Load(f.file(index.ID, s), f.config(index))
		if err != nil {
			return nil, err
		}
		cursor, err := event.ParseCursor(position)
		if err == nil && !first && cursor.Epoch != at.Epoch {
			err = errors.New("the files of a search index are of two logs")
		}
		if err != nil {
			return nil, errors.Join(err, x.Close())
		}
		if first || cursor.Position < at.Position {
			at = cursor
		}
		first = false
		return x, nil
	})
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			slog.Warn("a file of vectors can't be used, the database is read instead", "index", index.ID, "error", err)
		}
		return nil, at, false
	}
	return g, at, !first
}

// read takes an index from the database.
func (f *files) read(ctx context.Context, index *Index, _ event.Cursor) (*Generation, error) {
	g, err := newGeneration(index, f.service.Sources, func(shelf) (vector.Index, error) { return vector.New(f.config(index)) })
	if err != nil {
		return nil, err
	}
	for place, x := range g.shelves {
		for rows, err := range f.service.stock(ctx, g, place) {
			if err == nil {
				err = x.Put(ctx, rows...)
			}
			if err != nil {
				return nil, errors.Join(fmt.Errorf("index %s: %w", index.ID, err), g.close())
			}
		}
		g.changes.Add(1)
	}
	return g, nil
}

// keep writes the files.
func (f *files) keep(_ context.Context, all []*Generation, at event.Cursor) error {
	if f.folder == "" {
		return nil
	}
	for _, g := range all {
		if err := f.saveOne(g, at.String()); err != nil {
			return fmt.Errorf("index %s: %w", g.ID, err)
		}
	}
	return nil
}

func (f *files) saveOne(g *Generation, position string) error {
	if err := os.MkdirAll(filepath.Join(f.folder, g.ID), 0o700); err != nil {
		return err
	}
	for place, x := range g.shelves {
		if err := x.(*vector.Exact).Save(f.file(g.ID, place), position); err != nil {
			return err
		}
	}
	return nil
}

// tidy makes the folder and deletes files of indexes that are gone, and what a process
// left that was killed while it wrote.
func (f *files) tidy(_ context.Context, indexes []*Index) {
	if f.folder == "" {
		return
	}
	if err := os.MkdirAll(f.folder, 0o700); err != nil {
		slog.Warn("the folder for vectors can't be made", "folder", f.folder, "error", err)
		return
	}
	entries, err := os.ReadDir(f.folder)
	if err != nil {
		slog.Warn("the folder for vectors can't be read", "folder", f.folder, "error", err)
		return
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), prefix+"_") {
			continue
		}
		path := filepath.Join(f.folder, e.Name())
		if find(indexes, e.Name()) == nil {
			_ = os.RemoveAll(path)
			continue
		}
		left, _ := filepath.Glob(filepath.Join(path, ".*"))
		for _, file := range left {
			_ = os.Remove(file)
		}
	}
}
