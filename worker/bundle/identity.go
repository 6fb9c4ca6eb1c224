package bundle

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"parley/worker/graphfile"
)

// identityForm is a part of every identity. It changes when the same files come to mean
// other numbers.
const identityForm = "parley model 1"

// Identity is a digest of what the numbers that a model gives depend on, 64 hexadecimal
// digits: the graphs of these names, as Graph or else Part finds them, with their weights,
// and the files that describe model and tokenizer. Graphs in other precisions, licences, pictures
// and what the reference gives don't count. It reads all of these files; errors wrap
// ErrMissing or ErrBroken.
func (b *Bundle) Identity(graphs ...string) (string, error) {
	wanted, err := b.descriptions()
	if err != nil {
		return "", err
	}
	for _, name := range graphs {
		files, err := b.graphFiles(name)
		if err != nil {
			return "", err
		}
		wanted = append(wanted, files...)
	}
	slices.Sort(wanted)
	h := sha256.New()
	fmt.Fprintln(h, identityForm)
	for _, name := range slices.Compact(wanted) {
		sum, err := digest(b.path(name))
		if err != nil {
			return "", fmt.Errorf("%w: %w", ErrMissing, err)
		}
		fmt.Fprintf(h, "%q %s\n", name, sum)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// descriptions are the files beside the graphs that a model is read from.
func (b *Bundle) descriptions() ([]string, error) {
	all, err := files(b.Dir)
	if err != nil {
		return nil, err
	}
	var wanted []string
	for name := range all {
		switch path.Base(name) {
		case "reference.json", cardFile:
			continue
		}
		switch path.Ext(name) {
		case ".json", ".txt", ".spm", ".model", ".jinja":
			wanted = append(wanted, name)
		}
	}
	return wanted, nil
}

// graphFiles are the file of a graph and those that hold its weights.
func (b *Bundle) graphFiles(name string) ([]string, error) {
	file, err := b.Graph(name)
	if errors.Is(err, ErrMissing) {
		if part, other := b.Part(name); other == nil {
			file, err = part, nil
		}
	}
	if err != nil {
		return nil, err
	}
	g, err := graphfile.Read(file)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBroken, err)
	}
	relative, err := filepath.Rel(b.Dir, file)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBroken, err)
	}
	relative = filepath.ToSlash(relative)
	found := []string{relative}
	for _, weights := range g.External {
		found = append(found, path.Join(path.Dir(relative), strings.ReplaceAll(weights, `\`, "/")))
	}
	return found, nil
}
