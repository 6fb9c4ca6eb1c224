package bundle

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/testkit"
)

func TestSplitGraph(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][2]string{
		"onnx/model.onnx": {"model", "fp32"}, "decoder_model_merged_quantized.onnx": {"decoder_model_merged", "q8"}, "model_q4.onnx": {"model", "q4"},
		"model_int8.onnx": {"model", "int8"}, "model_uint8.onnx": {"model", "uint8"}, "model_bnb4.onnx": {"model", "bnb4"}, "_q4.onnx": {"_q4", "fp32"},
		"model_fp16.onnx": {}, "model_q4f16.onnx": {}, "model_O3.onnx": {}, "model_qint8_avx512_vnni.onnx": {}, "model_quint8_avx2.onnx": {},
		".onnx": {}, "model.onnx_data": {}, "model.bin": {}, "": {},
	} {
		stem, precision, ok := SplitGraph(name)
		assert.Equal(t, want, [2]string{stem, precision}, name)
		assert.Equal(t, want[0] != "", ok, name)
	}
	for name, want := range map[string]string{
		"onnx/model.onnx_data": "onnx/model.onnx", "model_q4.onnx_data_12": "model_q4.onnx", "model.onnx.data": "model.onnx",
		"model.onnx": "", "model.onnx_data.txt": "", "x/data": "", ".onnx_data": "",
	} {
		graph, ok := GraphOfData(name)
		assert.Equal(t, want, graph, name)
		assert.Equal(t, want != "", ok, name)
	}
	assert.Equal(t, []string{"fp32", "q8", "int8", "uint8", "q4", "bnb4"}, Precisions())
}

func TestSummaryOfABundle(t *testing.T) {
	t.Parallel()
	b, err := Open(filepath.Join("..", "..", "models", "translate-mini"))
	require.NoError(t, err)
	s, err := b.Summary()
	require.NoError(t, err)
	assert.Equal(t, "translate-mini", s.Name)
	assert.Equal(t, "fp32", s.Precision)
	assert.Equal(t, "CC-BY-4.0", s.Licence)
	assert.Equal(t, []string{"de", "en", "es", "fr"}, s.Languages)
	assert.Nil(t, s.Source, "an old manifest tells no source")
	assert.EqualValues(t, (8769606+10748224)/100*250+64<<20, s.Memory)
	assert.Greater(t, s.Size, int64(8769606+10748224))

	b, err = Open(testkit.Shared(t, "models", "random", "lcm-random"))
	require.NoError(t, err)
	s, err = b.Summary()
	require.NoError(t, err)
	assert.Equal(t, KindDiffusion, s.Kind)
	assert.Equal(t, "fp32", s.Precision)
	assert.Empty(t, s.Languages)
}

// The languages come from wherever something tells them.
func TestLanguagesOfASummary(t *testing.T) {
	t.Parallel()
	tests := []struct {
		folder, config, manifest string
		want                     []string
	}{
		{"opus-mt-en-de", `{"model_type": "marian"}`, `{}`, []string{"de", "en"}},
		{"mine", `{"model_type": "marian"}`, `{"source": {"repository": "acme/opus-mt-fr-en"}}`, []string{"en", "fr"}},
		{"mine", `{"model_type": "m2m_100"}`, `{"languages": ["en", "zho_Hans", "multilingual", "es", "en", ""]}`, []string{"en", "es", "zh-Hans"}},
		{"mine", `{"model_type": "t5", "task_specific_params": {"translation_en_to_de": {"prefix": "x"}}}`, `{"languages": ["fr"]}`, []string{"de", "en", "fr"}},
		{"mine", `{"model_type": "gpt2"}`, `{}`, nil},
	}
	for _, tt := range tests {
		dir := filepath.Join(t.TempDir(), tt.folder)
		require.NoError(t, os.Mkdir(dir, 0o755))
		write(t, dir, "config.json", tt.config)
		write(t, dir, manifestFile, tt.manifest)
		b, err := Open(dir)
		require.NoError(t, err)
		s, err := b.Summary()
		require.NoError(t, err)
		assert.Equal(t, tt.want, s.Languages, "%+v", tt)
	}
}

// A bundle that was given another name when it was pulled still knows its direction.
func TestDirectionsOfAPulledBundle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "config.json", `{"model_type": "marian"}`)
	b, err := Open(dir)
	require.NoError(t, err)
	_, err = b.Directions(nil)
	assert.ErrorIs(t, err, ErrBroken)
	write(t, dir, manifestFile, `{"source": {"base": "https://example.org", "repository": "acme/opus-mt-tc-big-fr-en"}}`)
	got, err := b.Directions(nil)
	require.NoError(t, err)
	assert.Equal(t, []Direction{{Source: "fr", Target: "en"}}, got)
}

func TestAManifestIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "config.json", `{"model_type": "marian"}`)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "onnx"), 0o755))
	write(t, dir, "onnx/encoder_model_q4.onnx", "12345")
	write(t, dir, "onnx/decoder_model_merged.onnx", "12345")
	b, err := Open(dir)
	require.NoError(t, err)
	m, err := b.Manifest()
	require.NoError(t, err)
	assert.Equal(t, &Manifest{}, m, "there is none")
	want := Manifest{Files: map[string]FileRecord{"config.json": {Size: 24, SHA256: "ab"}}, Source: &Source{"https://example.org", "acme/tiny", "0123"}, Licence: "MIT",
		Languages: []string{"deu", "en"}, PulledAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	require.NoError(t, b.WriteManifest(want))
	got, err := b.Manifest()
	require.NoError(t, err)
	want.Kind, want.Precision, want.Memory, want.Languages = KindMarian, "fp32+q4", loadedBase, []string{"de", "en"}
	assert.Equal(t, &want, got)
	write(t, dir, manifestFile, `{"files": 7}`)
	_, err = b.Manifest()
	assert.ErrorIs(t, err, ErrBroken)
	_, err = b.Summary()
	assert.ErrorIs(t, err, ErrBroken)
	write(t, dir, manifestFile, `{"files": {}}`)
	_, err = b.Manifest()
	assert.NoError(t, err, "an old manifest")
}
