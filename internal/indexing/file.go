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

// rowsAtOnce is how many vectors are read from the database together.
const rowsAtOnce = 1000

// config is what the vectors of an index are kept with.
func (f *Follower) config(index *Index) vector.Config {
	return vector.Config{
		Dimension: index.Dimensions, Model: vector.Model{Name: index.Model, Digest: index.Digest}, Folder: f.Folder,
	}
}

// file is where the vectors of a shelf lie.
func (f *Follower) file(index string, s shelf) string {
	return filepath.Join(f.Folder, index, s.String()+".vectors")
}

// load takes an index from its files and tells up to which event they are right. Of files
// that are missing, or are no whole ones, it is not ok.
func (f *Follower) load(index *Index) (g *Generation, at event.Cursor, ok bool) {
	if f.Folder == "" {
		return nil, at, false
	}
	first := true
	g, err := newGeneration(index, f.Service.Sources, func(s shelf) (*vector.Exact, error) {
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
func (f *Follower) read(ctx context.Context, index *Index) (*Generation, error) {
	g, err := newGeneration(index, f.Service.Sources, func(shelf) (*vector.Exact, error) { return vector.New(f.config(index)) })
	if err != nil {
		return nil, err
	}
	for place, x := range g.shelves {
		if err := f.fill(ctx, g, place, x); err != nil {
			return nil, errors.Join(fmt.Errorf("index %s: %w", index.ID, err), g.close())
		}
	}
	return g, nil
}

// fill reads the vectors of a shelf.
func (f *Follower) fill(ctx context.Context, g *Generation, place shelf, x *vector.Exact) error {
	source, err := f.Service.source(place.source)
	if err != nil {
		return err
	}
	for after, more := "", true; more; {
		found, err := f.Service.storedAfter(ctx, g.ID, place.source, place.side, after, rowsAtOnce)
		if err != nil {
			return err
		}
		if more = len(found) == rowsAtOnce; len(found) == 0 {
			return nil
		}
		ids := make([]string, len(found))
		for i, v := range found {
			ids[i] = v.object
		}
		after = ids[len(ids)-1]
		items, err := source.ByID(ctx, ids)
		if err != nil {
			return fmt.Errorf("read what has vectors: %w", err)
		}
		if err := x.Put(ctx, g.rows(found, place.side, items)...); err != nil {
			return err
		}
		g.changes.Add(1)
	}
	return nil
}

// rows gives what a shelf is to hold of vectors: those of objects that are there, of its
// index and side.
func (g *Generation) rows(found []stored, side Side, items map[string]Item) []vector.Row {
	var rows []vector.Row
	for _, v := range found {
		item, there := items[v.object]
		if v.index != g.ID || v.side != side || !there || !item.has(side) {
			continue
		}
		values, err := v.vector.Values()
		r := vector.Row{ID: v.object, Vector: values, Labels: item.Labels}
		if err == nil {
			err = r.Check(g.Dimensions)
		}
		if err != nil {
			slog.Error("a vector can't be searched", "index", g.ID, "object", v.object, "error", err)
			continue
		}
		rows = append(rows, r)
	}
	return rows
}

// maxBehind is how many events files may be behind in which nothing concerns them. Beyond
// that the events might be deleted before the next start.
const maxBehind = 100_000

// save writes files of what is in memory, where that changed.
func (f *Follower) save() {
	if f.Folder == "" || !f.dirty && f.tail.position-f.kept < maxBehind {
		return
	}
	position := f.Service.log.Cursor(f.tail.position).String()
	for _, g := range f.all() {
		if err := f.saveOne(g, position); err != nil {
			slog.Warn("vectors could not be written to a file, the next start reads the database", "index", g.ID, "error", err)
			return
		}
	}
	f.dirty, f.kept = false, f.tail.position
}

func (f *Follower) saveOne(g *Generation, position string) error {
	if err := os.MkdirAll(filepath.Join(f.Folder, g.ID), 0o700); err != nil {
		return err
	}
	for place, x := range g.shelves {
		if err := x.Save(f.file(g.ID, place), position); err != nil {
			return err
		}
	}
	return nil
}

// tidy makes the folder and deletes files of indexes that are gone, and what a process
// left that was killed while it wrote.
func (f *Follower) tidy(indexes []*Index) {
	if f.Folder == "" {
		return
	}
	if err := os.MkdirAll(f.Folder, 0o700); err != nil {
		slog.Warn("the folder for vectors can't be made", "folder", f.Folder, "error", err)
		return
	}
	entries, err := os.ReadDir(f.Folder)
	if err != nil {
		slog.Warn("the folder for vectors can't be read", "folder", f.Folder, "error", err)
		return
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), prefix+"_") {
			continue
		}
		path := filepath.Join(f.Folder, e.Name())
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
