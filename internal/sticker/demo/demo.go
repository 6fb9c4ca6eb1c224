// Package demo holds the stickers that ship with parley: the 3D set of Fluent Emoji with
// labels and tags in English. README.md says where they come from and under which
// licences, which are in LICENSES.md.
package demo

import (
	"archive/tar"
	"bytes"
	_ "embed" // the set itself
	"errors"
	"fmt"
	"io"
	"iter"
	"path"
	"strings"

	"github.com/klauspost/compress/zstd"

	"parley/internal/sticker"
)

// Name is that of the set, by which a database knows how much of it was added. Another
// order of the stickers would need another name.
const Name = "fluent-3d"

// Count is how many stickers the set has.
const Count = 1545

// Licence is said of each sticker.
const Licence = "Picture: Fluent Emoji, Copyright (c) Microsoft Corporation, MIT License. " +
	"Words: emojibase, Copyright (c) 2017-2019 Miles Johnson, MIT License, over Unicode CLDR, Copyright 2004-2023 Unicode, Inc., Unicode License v3."

var (
	//go:embed fluent-3d-72.tar.zst
	pictures []byte
	//go:embed labels.tsv.zst
	labels []byte
)

// largest is how long a picture of the set may be, in bytes.
const largest = 1 << 20

// Stickers gives the set in its order, unpacking as it is read.
func Stickers() iter.Seq2[sticker.Shipped, error] {
	return func(yield func(sticker.Shipped, error) bool) {
		if err := unpack(func(s sticker.Shipped) bool { return yield(s, nil) }); err != nil {
			yield(sticker.Shipped{}, err)
		}
	}
}

// unpack calls each until that tells to stop.
func unpack(each func(sticker.Shipped) bool) error {
	words, err := readLabels()
	if err != nil {
		return err
	}
	z, err := zstd.NewReader(bytes.NewReader(pictures), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return fmt.Errorf("open the pictures of the demo set: %w", err)
	}
	defer z.Close()
	for files := tar.NewReader(z); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read the pictures of the demo set: %w", err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		one, known := words[strings.TrimSuffix(path.Base(h.Name), ".png")]
		if !known {
			return fmt.Errorf("the picture %s of the demo set has no words", h.Name)
		}
		if one.File, err = io.ReadAll(io.LimitReader(files, largest)); err != nil {
			return fmt.Errorf("read the picture %s of the demo set: %w", h.Name, err)
		}
		if !each(one) {
			return nil
		}
	}
}

// readLabels gives the stickers without their pictures, by id.
func readLabels() (map[string]sticker.Shipped, error) {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("open the words of the demo set: %w", err)
	}
	defer z.Close()
	table, err := z.DecodeAll(labels, nil)
	if err != nil {
		return nil, fmt.Errorf("unpack the words of the demo set: %w", err)
	}
	words := make(map[string]sticker.Shipped, Count)
	for i, line := range strings.Split(strings.TrimSuffix(string(table), "\n"), "\n") {
		cells := strings.Split(line, "\t")
		if len(cells) != 4 {
			return nil, fmt.Errorf("line %d of the words of the demo set has %d columns", i+1, len(cells))
		}
		if i > 0 { // behind the header
			words[cells[0]] = sticker.Shipped{Name: cells[1], Caption: cells[2], Tags: strings.Split(cells[3], "|"), Licence: Licence}
		}
	}
	return words, nil
}
