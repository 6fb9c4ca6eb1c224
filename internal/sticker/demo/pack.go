//go:build ignore

// Command pack makes the files of this folder from the 3D set of Fluent Emoji, scaled to
// 72 pixels, and the labels of emojibase 17 (README.md says where both come from):
//
//	go run pack.go FOLDER
//
// FOLDER has fluent-3d-72.tar.zst, with a file <id>.png for each emoji, and stickers.tsv,
// with a header and the columns id, emoji, split, styles, label_LL and tags_LL. The same
// input gives the same files.
package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"log"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/text/unicode/norm"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: go run pack.go FOLDER")
	}
	if err := pack(os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func pack(folder string) error {
	pictures, err := os.ReadFile(filepath.Join(folder, "fluent-3d-72.tar.zst"))
	if err != nil {
		return err
	}
	table, err := os.ReadFile(filepath.Join(folder, "stickers.tsv"))
	if err != nil {
		return err
	}
	ids, err := order(pictures)
	if err != nil {
		return err
	}
	rows := read(string(table))
	names := nameAll(ids, rows)
	var labels, languages strings.Builder
	labels.WriteString("id\tname\tlabel\ttags\n")
	languages.WriteString("id\temoji\tsplit")
	for _, l := range []string{"en", "es", "fr", "de", "pt", "it"} {
		languages.WriteString("\tlabel_" + l + "\ttags_" + l)
	}
	languages.WriteString("\n")
	for _, id := range ids {
		row := rows[id]
		labels.WriteString(strings.Join([]string{id, names[id], row["label_en"], row["tags_en"]}, "\t") + "\n")
		languages.WriteString(strings.Join([]string{id, row["emoji"], row["split"]}, "\t"))
		for _, l := range []string{"en", "es", "fr", "de", "pt", "it"} {
			languages.WriteString("\t" + row["label_"+l] + "\t" + row["tags_"+l])
		}
		languages.WriteString("\n")
	}
	return errors.Join(
		os.WriteFile("fluent-3d-72.tar.zst", pictures, 0o644),
		write("labels.tsv.zst", labels.String()),
		write(filepath.Join("testdata", "languages.tsv.zst"), languages.String()),
	)
}

// order gives the ids in the order of the pictures.
func order(pictures []byte) (ids []string, err error) {
	z, err := zstd.NewReader(bytes.NewReader(pictures))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	for files := tar.NewReader(z); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return ids, nil
		} else if err != nil {
			return nil, err
		}
		if h.Typeflag == tar.TypeReg {
			ids = append(ids, strings.TrimSuffix(filepath.Base(h.Name), ".png"))
		}
	}
}

func read(table string) map[string]map[string]string {
	lines := strings.Split(strings.TrimSuffix(table, "\n"), "\n")
	header, rows := strings.Split(lines[0], "\t"), map[string]map[string]string{}
	for _, line := range lines[1:] {
		row := map[string]string{}
		for i, cell := range strings.Split(line, "\t") {
			row[header[i]] = cell
		}
		rows[row["id"]] = row
	}
	return rows
}

var (
	mark  = regexp.MustCompile(`\p{Mn}`)
	other = regexp.MustCompile(`[^a-z0-9]+`)
)

// nameAll makes file names of the English labels, such as red-apple.png; where two would be
// the same, both have their id as well.
func nameAll(ids []string, rows map[string]map[string]string) map[string]string {
	names, times := map[string]string{}, map[string]int{}
	for _, id := range ids {
		plain := strings.ToLower(mark.ReplaceAllString(norm.NFKD.String(rows[id]["label_en"]), ""))
		names[id] = strings.Trim(other.ReplaceAllString(plain, "-"), "-")
		times[names[id]]++
	}
	for id, name := range names {
		if times[name] > 1 {
			name += "-" + id
		}
		names[id] = name + ".png"
	}
	return names
}

func write(name, text string) error {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	return os.WriteFile(name, z.EncodeAll([]byte(text), nil), 0o644)
}
