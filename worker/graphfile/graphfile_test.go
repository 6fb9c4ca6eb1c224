package graphfile

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"

	"parley/internal/testkit"
)

// part is a field that holds a message or a string.
func part(number protowire.Number, parts ...string) string {
	var all []byte
	for _, p := range parts {
		all = append(all, p...)
	}
	return string(protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), all))
}

func number(number protowire.Number, v uint64) string {
	return string(protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), v))
}

// node is a NodeProto that reads inputs.
func node(operator string, inputs ...string) string {
	all := part(4, operator)
	for _, in := range inputs {
		all += part(1, in)
	}
	return part(1, all)
}

// outside is a TensorProto whose weights lie in a file.
func outside(location string, more ...string) string {
	entries := part(13, part(1, "location"), part(2, location))
	for i := 0; i+1 < len(more); i += 2 {
		entries += part(13, part(1, more[i]), part(2, more[i+1]))
	}
	return part(5, number(1, 4), entries, number(14, 1))
}

func write(t *testing.T, model string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.onnx")
	require.NoError(t, os.WriteFile(path, []byte(model), 0o600))
	return path
}

func TestRealModelsAreRead(t *testing.T) {
	t.Parallel()
	for file, operators := range map[string]map[string]int{
		"caption-mini/onnx/model.onnx":                        {"MatMul": 56, "Concat": 76},
		"random/marian-random/onnx/decoder_model_merged.onnx": {"If": 1},
		"random/bert-random/onnx/model.onnx":                  {"MatMul": 16},
		"random/lcm-random/unet/model.onnx":                   {"MatMul": 57},
		"sticker-mini/onnx/vision_model.onnx":                 {"Conv": 49},
		"translate-mini/onnx/decoder_model_merged.onnx":       {"If": 1, "Cast": 24},
	} {
		g, err := Read(testkit.Shared(t, "models", filepath.FromSlash(file)))
		require.NoError(t, err, file)
		for operator, count := range operators {
			assert.GreaterOrEqual(t, g.Operators[operator], count, "%s: %s", file, operator)
		}
		assert.False(t, g.Dynamic(), file)
		assert.Empty(t, g.External, file)
	}
	g, err := Read(testkit.Shared(t, "models", "random", "marian-random", "onnx", "decoder_model_merged.onnx"))
	require.NoError(t, err)
	assert.Positive(t, g.Operators["MatMul"], "nodes inside of branches are not counted")
	assert.False(t, g.Shares([]string{"past_key_values.0.decoder.key"}), "concatenated caches")
}

func TestAttentionThatSharesItsCachesIsKnown(t *testing.T) {
	t.Parallel()
	g, err := Read(write(t, part(7, node("GroupQueryAttention", "q", "k", "v", "past.key", "past.value"), node("Add", "past.value", "x"), node("DynamicQuantizeLinear", "x"))))
	require.NoError(t, err)
	assert.True(t, g.Shares([]string{"past.key"}))
	assert.False(t, g.Shares([]string{"past.key", "past.value"}), "read by another node as well")
	assert.False(t, g.Shares([]string{"nobody"}))
	assert.False(t, g.Shares(nil))
	assert.True(t, g.Dynamic())
	branch := part(1, part(4, "If"), part(5, part(6, node("GroupQueryAttention", "past.key"))))
	g, err = Read(write(t, part(7, branch)))
	require.NoError(t, err)
	assert.False(t, g.Shares([]string{"past.key"}), "read inside of a branch")
}

func TestWeightsElsewhere(t *testing.T) {
	t.Parallel()
	path := write(t, part(7, outside("model.onnx_data", "offset", "4", "length", "12"), outside("model.onnx_data", "length", "16")))
	_, err := Read(path)
	assert.ErrorContains(t, err, "model.onnx_data", "the file is missing")
	data := filepath.Join(filepath.Dir(path), "model.onnx_data")
	require.NoError(t, os.WriteFile(data, make([]byte, 15), 0o600))
	_, err = Read(path)
	assert.ErrorContains(t, err, "15 bytes, not 16")
	require.NoError(t, os.WriteFile(data, make([]byte, 16), 0o600))
	g, err := Read(path)
	require.NoError(t, err)
	assert.Equal(t, []string{"model.onnx_data"}, g.External)
	for _, location := range []string{"../secret", "/etc/hostname", "a/../../b", "", `..\secret`, "."} {
		_, err := Read(write(t, part(7, outside(location))))
		assert.Error(t, err, "%q", location)
	}
	_, err = Read(write(t, part(7, outside("../secret"))))
	assert.ErrorIs(t, err, ErrOutside)
	_, err = Read(write(t, part(7, outside("model.onnx_data", "offset", "9223372036854775807", "length", "9223372036854775807"))))
	assert.ErrorContains(t, err, "length")
}

func TestImpossibleFilesAreRefused(t *testing.T) {
	t.Parallel()
	deep := node("Add")
	for range 100 {
		deep = part(1, part(4, "If"), part(5, part(6, deep)))
	}
	for name, model := range map[string]string{
		"empty":           "",
		"text":            "this is no model",
		"too deep":        part(7, deep),
		"size overflows":  part(7, part(5, number(1, 1<<40), number(1, 1<<40))),
		"negative size":   part(7, part(5, part(1, string(protowire.AppendVarint(nil, 1<<64-1))))),
		"a longer part":   string(protowire.AppendVarint(protowire.AppendTag(nil, 7, protowire.BytesType), 1<<62)),
		"a group":         string(protowire.AppendTag(nil, 7, protowire.StartGroupType)),
		"a name too long": part(7, node(string(make([]byte, 5000)))),
	} {
		_, err := Read(write(t, model))
		assert.Error(t, err, name)
	}
	_, err := Read(t.TempDir())
	assert.Error(t, err, "a folder")
}

// Every cut and many flips of a real file are refused or read, never a panic.
func TestCorruptFilesNeverPanic(t *testing.T) {
	t.Parallel()
	whole, err := os.ReadFile(testkit.Shared(t, "models", "random", "gpt2-random", "onnx", "model.onnx"))
	require.NoError(t, err)
	path := write(t, "")
	for cut := 0; cut < len(whole); cut += len(whole)/50 + 1 {
		require.NoError(t, os.WriteFile(path, whole[:cut], 0o600))
		_, err := Read(path)
		assert.Error(t, err, "cut at %d", cut)
	}
	for at := 0; at < 20000; at += 97 {
		broken := append([]byte(nil), whole...)
		broken[at] ^= 0xff
		require.NoError(t, os.WriteFile(path, broken, 0o600))
		_, _ = Read(path)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(part(7, outside("model.onnx_data", "offset", "4"), node("If", "a"))))
	f.Fuzz(func(t *testing.T, data []byte) { _, _ = Read(write(t, string(data))) })
}

func BenchmarkRead(b *testing.B) {
	path := testkit.Shared(b, "models", "minilm", "onnx", "model.onnx")
	for b.Loop() {
		_, err := Read(path)
		require.NoError(b, err)
	}
}

// What a function holds runs wherever it is called: its operators and weights count.
func TestFunctionsAreRead(t *testing.T) {
	t.Parallel()
	graph := part(7, node("Mine", "past.key"))
	g, err := Read(write(t, graph+part(25, part(7, part(4, "DynamicQuantizeLinear"), part(1, "x")))))
	require.NoError(t, err)
	assert.True(t, g.Dynamic())
	weights := part(5, outside("../elsewhere.bin")) // an AttributeProto with a tensor
	_, err = Read(write(t, graph+part(25, part(7, part(4, "Constant"), weights))))
	assert.ErrorIs(t, err, ErrOutside)
}
