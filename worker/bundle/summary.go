package bundle

import (
	"cmp"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Summary is what a list of bundles shows of one.
type Summary struct {
	Name string `json:"name"`
	Kind Kind   `json:"kind"`
	// Precision is that of the graphs, see Precisions; several are joined by "+".
	Precision string `json:"precision"`
	// Size is the bytes of all files.
	Size int64 `json:"size"`
	// Memory is an estimate of the bytes that the loaded bundle takes, see Memory.
	Memory int64 `json:"memory"`
	// Licence is an SPDX expression, or the hub's word where SPDX has none.
	Licence string `json:"licence"`
	// Languages are BCP 47 tags, sorted.
	Languages []string `json:"languages"`
	// Source is where the bundle was pulled from, nil where nothing tells.
	Source *Source `json:"source,omitempty"`
	// Dir is the bundle's folder.
	Dir string `json:"folder"`
}

// Summary looks at the bundle's files and its manifest, not at their content. It fails
// with ErrMissing or ErrBroken.
func (b *Bundle) Summary() (*Summary, error) {
	m, err := b.Manifest()
	if err != nil {
		return nil, err
	}
	sizes, err := b.sizes()
	if err != nil {
		return nil, err
	}
	s := &Summary{Name: b.Name, Kind: b.Kind, Precision: precisionOf(mapKeys(sizes)), Memory: memory(sizes),
		Licence: cmp.Or(b.Card.Licence, m.Licence), Languages: b.languages(m), Source: m.Source, Dir: b.Dir}
	for _, size := range sizes {
		s.Size += size
	}
	if info, err := os.Stat(b.path(manifestFile)); err == nil {
		s.Size += info.Size()
	}
	return s, nil
}

// sizes gives the bytes of every file but the manifest.
func (b *Bundle) sizes() (map[string]int64, error) {
	paths, err := files(b.Dir)
	if err != nil {
		return nil, err
	}
	sizes := make(map[string]int64, len(paths))
	for p := range paths {
		info, err := os.Stat(b.path(p))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrMissing, err)
		}
		sizes[p] = info.Size()
	}
	return sizes, nil
}

func mapKeys(sizes map[string]int64) []string {
	keys := make([]string, 0, len(sizes))
	for k := range sizes {
		keys = append(keys, k)
	}
	return keys
}

// What memory assumes, in percent of bytes on disk and in bytes.
const (
	graphShare = 250
	dataShare  = 150
	loadedBase = 64 << 20
)

// memory estimates the bytes of memory that a bundle takes once it is loaded, from the
// sizes of its graphs: 2.5 times the graphs, 1.5 times their external data, and 64 MiB.
//
// Measured as growth of the resident set with ONNX Runtime 1.30 on Linux, after loading
// (after a run of 8 rows of 128 tokens): translate-mini 19.5 MB, 96 MB (115); a MiniLM
// with int8 weights 23.0 MB, 123 MB (151); a text and a picture tower 32.5 MB, 121 MB
// (147); matrices of 268 MB in fp32, 588 MB; the same in external data, which is mapped,
// 269 MB; the same quantized to 67 MB, 113 MB. Weights in the graph are held twice, read
// and packed; int8 weights that are dequantized at loading four times over. What a job
// takes while it runs, such as keys and values, is not in it.
func memory(sizes map[string]int64) int64 {
	var graphs, data int64
	for name, size := range sizes {
		if strings.HasSuffix(name, ".onnx") {
			graphs += size
		}
		if _, ok := GraphOfData(name); ok || path.Base(name) == "weights.pb" {
			data += size
		}
	}
	if graphs == 0 {
		return 0
	}
	return graphs/100*graphShare + data/100*dataShare + loadedBase
}

// MemoryOf estimates the bytes of memory that a single graph takes once it is loaded, for
// a part of a bundle that is loaded by itself. path is as Graph and Part give it.
func MemoryOf(path string) (int64, error) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrMissing, err)
	}
	sizes := map[string]int64{}
	for _, e := range entries {
		graph, isData := GraphOfData(e.Name())
		if e.Name() != filepath.Base(path) && (!isData || graph != filepath.Base(path)) {
			continue
		}
		info, err := os.Stat(filepath.Join(filepath.Dir(path), e.Name()))
		if err != nil {
			return 0, fmt.Errorf("%w: %w", ErrMissing, err)
		}
		sizes[e.Name()] = info.Size()
	}
	return memory(sizes), nil
}

// maxLanguages is how many languages a summary or a manifest names at most.
const maxLanguages = 1000

// languages are those that the manifest, the card, config.json or the name tell.
func (b *Bundle) languages(m *Manifest) []string {
	var tags []string
	add := func(codes ...string) {
		for _, code := range codes {
			if tag, ok := canonical(code); ok && len(tags) < maxLanguages {
				tags = append(tags, tag)
			}
		}
	}
	directions := b.Card.Directions
	switch {
	case len(directions) > 0:
	case b.Kind == KindT5:
		directions = b.taskDirections()
	case b.Kind == KindMarian:
		directions = b.namedDirections(nil)
	}
	for _, d := range directions {
		add(d.Source, d.Target)
	}
	if b.Kind == KindMarian && len(directions) == 0 && m.Source != nil {
		// The manifest may be one that is still to be written.
		sources, targets := languagesOfName(m.Source.Repository)
		add(append(sources, targets...)...)
	}
	add(m.Languages...)
	slices.Sort(tags)
	return slices.Compact(tags)
}

// languagesOfSource reads the name of the repository that the bundle was pulled from: it
// may have another name here.
func (b *Bundle) languagesOfSource() (sources, targets []string) {
	m, err := b.Manifest()
	if err != nil || m.Source == nil {
		return nil, nil
	}
	return languagesOfName(m.Source.Repository)
}
