package bundle

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

// precisionNames are the names of graphSuffixes' precisions, in the words of
// transformers.js' dtype setting.
var precisionNames = map[string]string{
	"": "fp32", "_quantized": "q8", "_int8": "int8", "_uint8": "uint8", "_q4": "q4", "_bnb4": "bnb4",
}

// foreign are the endings of graphs for other processors or of Optimum's further
// optimizations: O1 to O4, and quantizations for one instruction set.
var foreign = regexp.MustCompile(`_(fp16|f16|q4f16|q8f16|q2f16|q1f16|q2|q1|bf16|O[1-4]|q?u?int[48]_.+|qint8|quint8|avx.+|arm64|vnni)$`)

// Precisions are the names of the precisions that run on a CPU, the exactest first.
func Precisions() []string {
	names := make([]string, len(graphSuffixes))
	for i, suffix := range graphSuffixes {
		names[i] = precisionNames[suffix]
	}
	return names
}

// SplitGraph takes a graph's file name apart: "onnx/model_q4.onnx" is the stem "model" in
// the precision "q4". ok is false for what is no graph, and for a precision that does not
// run on a CPU.
func SplitGraph(name string) (stem, precision string, ok bool) {
	stem, ok = strings.CutSuffix(path.Base(name), ".onnx")
	if !ok || stem == "" || foreign.MatchString(stem) {
		return "", "", false
	}
	for _, suffix := range graphSuffixes {
		if suffix == "" {
			continue
		}
		if short, is := strings.CutSuffix(stem, suffix); is && short != "" {
			return short, precisionNames[suffix], true
		}
	}
	return stem, precisionNames[""], true
}

// externalData is how the weights beside a graph are named: model.onnx_data,
// model.onnx_data_1, model.onnx.data.
var externalData = regexp.MustCompile(`^(.+\.onnx)[._]data(_[0-9]+)?$`)

// GraphOfData gives the graph that a file holds the weights of, by their paths. ok is
// false for a file that is no external data.
func GraphOfData(name string) (graph string, ok bool) {
	m := externalData.FindStringSubmatch(name)
	if m == nil {
		return "", false
	}
	return m[1], true
}

// precisionOf gives the precisions of the graphs among paths, the exactest first, joined
// by "+"; "" without a graph.
func precisionOf(paths []string) string {
	found := map[string]bool{}
	for _, p := range paths {
		if _, precision, ok := SplitGraph(p); ok {
			found[precision] = true
		}
	}
	names := slices.DeleteFunc(Precisions(), func(name string) bool { return !found[name] })
	return strings.Join(names, "+")
}
