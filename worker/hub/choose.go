package hub

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"parley/worker/bundle"
)

// File is a file of a repository's commit.
type File struct {
	// Path has forward slashes.
	Path string
	// Size is in bytes.
	Size int64
	// SHA256 is the content's, in hexadecimal digits; "" where only Blob is known.
	SHA256 string
	// Blob is the SHA-1 by which git knows the file: that of "blob SIZE\0" and the
	// content. It is "" for large files and where a folder tells nothing.
	Blob string
}

// Small files that a bundle is read from, by name and ending. Weights of other libraries
// have none of them.
var (
	wantedName = regexp.MustCompile(`^(config|generation_config|tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab|preprocessor_config|processor_config|modules|sentence_bert_config|config_sentence_transformers|model_index|parley|reference|quantize_config|chat_template|scheduler_config)\.json$` +
		`|^(vocab|merges)\.txt$|\.(spm|jinja)$|^(sentencepiece\.bpe|spiece|tokenizer|source|target)\.model$` +
		`|^(README|readme|MODEL_CARD)\.md$|^(LICEN[CS]E|NOTICE|COPYING|ATTRIBUTION)[A-Za-z0-9._-]*$|\.credits\.tsv$`)
	// moduleConfig is the configuration of a sentence-transformers module: 1_Pooling.
	moduleConfig = regexp.MustCompile(`^[0-9]+_[A-Za-z]+/config\.json$`)
	// example is a picture that reference.json may speak of.
	example = regexp.MustCompile(`^pictures/[^/]+\.(png|jpe?g|webp|gif)$`)
)

const (
	maxSmall   = 256 << 20
	maxExample = 1 << 20
)

// diffusersFolders are those of a pipeline of the diffusers library that are used.
var diffusersFolders = []string{"text_encoder", "unet", "vae_decoder", "tokenizer", "scheduler"}

// choose picks the files that a bundle needs: descriptions, tokenizers and licences, and of
// the graphs one precision. The files come back by size, the smallest first, so that what
// fails fails early. It fails with ErrUnsuitable, ErrRequest and ErrUntrusted.
func choose(all []File, precision string) ([]File, error) {
	if precision != "" && !slices.Contains(bundle.Precisions(), precision) {
		return nil, fmt.Errorf("%w: %q is no precision that runs on a CPU; give one of %s", ErrRequest, precision, strings.Join(bundle.Precisions(), ", "))
	}
	diffusers := slices.ContainsFunc(all, func(f File) bool { return f.Path == "model_index.json" })
	if !diffusers && !slices.ContainsFunc(all, func(f File) bool { return f.Path == "config.json" }) {
		return nil, fmt.Errorf("%w: it has neither config.json nor model_index.json; choose a repository with a model in it", ErrUnsuitable)
	}
	var files, graphs []File
	for _, f := range all {
		if isHidden(f.Path) {
			continue
		}
		if isGraphPlace(f.Path, diffusers) && strings.HasSuffix(f.Path, ".onnx") {
			graphs = append(graphs, f)
		} else if isWanted(f, diffusers) {
			files = append(files, f)
		}
	}
	graphs, err := chooseGraphs(graphs, precision)
	if err != nil {
		return nil, err
	}
	files = append(append(files, graphs...), externalData(all, graphs)...)
	if err := checkAlike(files); err != nil {
		return nil, err
	}
	slices.SortFunc(files, func(a, b File) int {
		return cmp.Or(cmp.Compare(a.Size, b.Size), cmp.Compare(a.Path, b.Path))
	})
	return files, nil
}

// isGraphPlace tells whether a bundle's graphs stand in the folder of name.
func isGraphPlace(name string, diffusers bool) bool {
	folder := path.Dir(name)
	if diffusers {
		return slices.Contains(diffusersFolders, folder)
	}
	return folder == "." || folder == "onnx"
}

func isWanted(f File, diffusers bool) bool {
	folder, base := path.Split(f.Path)
	folder = strings.TrimSuffix(folder, "/")
	switch {
	case f.Size > maxSmall:
		return false
	case example.MatchString(f.Path):
		return f.Size <= maxExample
	case moduleConfig.MatchString(f.Path):
		return true
	case folder == "" || folder == "additional_chat_templates" || diffusers && slices.Contains(diffusersFolders, folder):
		return wantedName.MatchString(base)
	}
	return false
}

// chooseGraphs picks every graph once, in one precision. Of graphs that hold each other
// the ones that are used are enough: a merged decoder is both decoders, a text and a
// vision model are the joint one. Where the repository has no precision whole, each graph
// comes in the exactest that it has.
func chooseGraphs(graphs []File, precision string) ([]File, error) {
	// by is a graph's file by its stem and its precision.
	by := map[string]map[string]File{}
	for _, f := range graphs {
		stem, of, ok := bundle.SplitGraph(f.Path)
		if !ok {
			continue
		}
		key := path.Dir(f.Path) + "/" + stem
		if folder := path.Dir(f.Path); folder == "." || folder == "onnx" {
			key = stem
		}
		if by[key] == nil {
			by[key] = map[string]File{}
		}
		// A graph in onnx/ goes before the same at the top.
		if _, taken := by[key][of]; !taken || path.Dir(f.Path) == "onnx" {
			by[key][of] = f
		}
	}
	dropCovered(by)
	if len(by) == 0 {
		return nil, fmt.Errorf("%w: it has no ONNX graph that runs on a CPU; choose one with an onnx folder, or export the model with `optimum-cli export onnx`", ErrUnsuitable)
	}
	whole := wholePrecisions(by)
	switch {
	case precision != "" && !slices.Contains(whole, precision):
		return nil, fmt.Errorf("%w: it has no %s of every graph; whole are: %s", ErrRequest, precision, cmp.Or(strings.Join(whole, ", "), "none, so leave --precision out"))
	case precision == "" && len(whole) > 0:
		precision = whole[0]
	}
	var chosen []File
	for _, files := range by {
		for _, of := range append([]string{precision}, bundle.Precisions()...) {
			if f, ok := files[of]; ok {
				chosen = append(chosen, f)
				break
			}
		}
	}
	return chosen, nil
}

// dropCovered takes out the graphs that others hold as well.
func dropCovered(by map[string]map[string]File) {
	if by["decoder_model_merged"] != nil {
		delete(by, "decoder_model")
		delete(by, "decoder_with_past_model")
	}
	if by["text_model"] != nil && by["vision_model"] != nil {
		delete(by, "model")
	}
}

// wholePrecisions are those in which there is every graph, the exactest first.
func wholePrecisions(by map[string]map[string]File) []string {
	return slices.DeleteFunc(bundle.Precisions(), func(precision string) bool {
		for _, files := range by {
			if _, ok := files[precision]; !ok {
				return true
			}
		}
		return false
	})
}

// externalData gives the files with the weights of the chosen graphs.
func externalData(all, graphs []File) []File {
	var data []File
	for _, f := range all {
		of, ok := bundle.GraphOfData(f.Path)
		if slices.ContainsFunc(graphs, func(g File) bool {
			return ok && g.Path == of || path.Base(f.Path) == "weights.pb" && path.Dir(g.Path) == path.Dir(f.Path)
		}) {
			data = append(data, f)
		}
	}
	return data
}

// checkAlike refuses files that are one on some file systems.
func checkAlike(files []File) error {
	seen := map[string]string{}
	for _, f := range files {
		key := strings.ToLower(f.Path)
		if other, twice := seen[key]; twice {
			return fmt.Errorf("%w: the files %q and %q are one where case does not count; pull from another repository or mirror", ErrUntrusted, other, f.Path)
		}
		seen[key] = f.Path
	}
	return nil
}

func totalOf(files []File) int64 {
	var total int64
	for _, f := range files {
		total += f.Size
	}
	return total
}
