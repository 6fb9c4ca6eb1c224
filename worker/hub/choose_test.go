package hub

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestChoose(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, precision, files, want string
	}{
		{"the exactest precision", "", "config.json onnx/model.onnx onnx/model_q4.onnx onnx/model_fp16.onnx onnx/model_quantized.onnx", "config.json onnx/model.onnx"},
		{"another one", "q4", "config.json onnx/model.onnx onnx/model_q4.onnx onnx/model_q4f16.onnx", "config.json onnx/model_q4.onnx"},
		{"by the order", "", "config.json onnx/model_q4.onnx onnx/model_uint8.onnx onnx/model_int8.onnx onnx/model_fp16.onnx", "config.json onnx/model_int8.onnx"},
		{"whole before exact", "", "config.json onnx/encoder_model.onnx onnx/encoder_model_quantized.onnx onnx/decoder_model_merged_quantized.onnx", "config.json onnx/decoder_model_merged_quantized.onnx onnx/encoder_model_quantized.onnx"},
		{"none whole", "", "config.json onnx/encoder_model.onnx onnx/decoder_model_merged_q4.onnx", "config.json onnx/decoder_model_merged_q4.onnx onnx/encoder_model.onnx"},
		{"a merged decoder is enough", "", "config.json onnx/encoder_model.onnx onnx/decoder_model.onnx onnx/decoder_with_past_model.onnx onnx/decoder_model_merged.onnx",
			"config.json onnx/decoder_model_merged.onnx onnx/encoder_model.onnx"},
		{"two decoders", "", "config.json encoder_model.onnx decoder_model.onnx decoder_with_past_model.onnx", "config.json decoder_model.onnx decoder_with_past_model.onnx encoder_model.onnx"},
		{"two towers are enough", "", "config.json onnx/model.onnx onnx/text_model.onnx onnx/vision_model.onnx", "config.json onnx/text_model.onnx onnx/vision_model.onnx"},
		{"the folder before the top", "", "config.json model.onnx onnx/model.onnx", "config.json onnx/model.onnx"},
		{"external data", "", "config.json onnx/model.onnx onnx/model.onnx_data onnx/model.onnx_data_1 onnx/model_q4.onnx onnx/model_q4.onnx_data other.onnx_data", "config.json onnx/model.onnx onnx/model.onnx_data onnx/model.onnx_data_1"},
		{"external data, Optimum's name", "", "config.json model.onnx model.onnx.data", "config.json model.onnx model.onnx.data"},
		{"never weights of others", "", "config.json onnx/model.onnx pytorch_model.bin model.safetensors model.safetensors.index.json tf_model.h5 flax_model.msgpack rust_model.ot openvino/openvino_model.xml runs/events.tfevents training_args.bin",
			"config.json onnx/model.onnx"},
		{"tokenizers, templates and licences", "", "config.json generation_config.json tokenizer.json tokenizer_config.json special_tokens_map.json added_tokens.json vocab.json vocab.txt merges.txt source.spm target.spm sentencepiece.bpe.model spiece.model tokenizer.model chat_template.jinja additional_chat_templates/tools.jinja preprocessor_config.json processor_config.json modules.json 1_Pooling/config.json 2_Normalize/config.json README.md LICENSE LICENSE.txt LICENCE NOTICE stories.credits.tsv reference.json parley.json pictures/cat.png onnx/model.onnx",
			"1_Pooling/config.json 2_Normalize/config.json LICENCE LICENSE LICENSE.txt NOTICE README.md added_tokens.json additional_chat_templates/tools.jinja chat_template.jinja config.json generation_config.json merges.txt modules.json onnx/model.onnx parley.json pictures/cat.png preprocessor_config.json processor_config.json reference.json sentencepiece.bpe.model source.spm special_tokens_map.json spiece.model stories.credits.tsv target.spm tokenizer.json tokenizer.model tokenizer_config.json vocab.json vocab.txt"},
		{"nothing hidden, no pictures, no manifest", "", "config.json .gitattributes .git/config.json onnx/.model.onnx logo.png manifest.json onnx/model.onnx docs/README.md src/config.json", "config.json onnx/model.onnx"},
		{"diffusers", "", "model_index.json scheduler/scheduler_config.json text_encoder/config.json text_encoder/model.onnx unet/config.json unet/model.onnx unet/model.onnx_data unet/weights.pb unet/diffusion_pytorch_model.bin vae_decoder/model.onnx vae_encoder/model.onnx safety_checker/model.onnx tokenizer/vocab.json tokenizer/merges.txt unet/model_fp16.onnx image.png",
			"model_index.json scheduler/scheduler_config.json text_encoder/config.json text_encoder/model.onnx tokenizer/merges.txt tokenizer/vocab.json unet/config.json unet/model.onnx unet/model.onnx_data unet/weights.pb vae_decoder/model.onnx"},
		{"a manifest of an index is none", "", "config.json onnx/model.onnx model.onnx.data", "config.json onnx/model.onnx"},
	}
	for _, tt := range tests {
		var all []File
		for _, path := range strings.Fields(tt.files) {
			all = append(all, File{Path: path, Size: 5})
		}
		got, err := choose(all, tt.precision)
		require.NoError(t, err, tt.name)
		var paths []string
		for _, f := range got {
			paths = append(paths, f.Path)
		}
		slices.Sort(paths)
		assert.Equal(t, tt.want, strings.Join(paths, " "), tt.name)
	}
}

func TestChooseFails(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		precision, files, words string
		want                    error
	}{
		{"", "", "neither config.json nor model_index.json", ErrUnsuitable},
		{"", "onnx/model.onnx", "neither config.json", ErrUnsuitable},
		{"", "config.json pytorch_model.bin", "no ONNX graph", ErrUnsuitable},
		{"", "config.json onnx/model_fp16.onnx onnx/model_O2.onnx", "no ONNX graph that runs on a CPU", ErrUnsuitable},
		{"", "config.json other/model.onnx", "export the model", ErrUnsuitable},
		{"", "model_index.json unet/model.safetensors", "no ONNX graph", ErrUnsuitable},
		{"q4", "config.json onnx/model.onnx onnx/model_int8.onnx", "whole are: fp32, int8", ErrRequest},
		{"q4", "config.json onnx/encoder_model_q4.onnx onnx/decoder_model_merged.onnx", "none, so leave --precision out", ErrRequest},
		{"fp16", "config.json onnx/model.onnx", "give one of fp32, q8", ErrRequest},
		{"_q4", "config.json onnx/model_q4.onnx", "give one of", ErrRequest},
		{"", "config.json onnx/model.onnx LICENSE-a LICENSE-A", "where case does not count", ErrUntrusted},
	} {
		var all []File
		for _, path := range strings.Fields(tt.files) {
			all = append(all, File{Path: path, Size: 5})
		}
		_, err := choose(all, tt.precision)
		assert.ErrorIs(t, err, tt.want, tt.files)
		assert.ErrorContains(t, err, tt.words, tt.files)
	}
	files, err := choose([]File{{Path: "config.json"}, {Path: "onnx/model.onnx", Size: 1 << 40}, {Path: "pictures/cat.png", Size: maxExample + 1}, {Path: "vocab.json", Size: maxSmall + 1}}, "")
	require.NoError(t, err)
	assert.Len(t, files, 2, "a picture and a vocabulary that are too large")
}

func FuzzListingNames(f *testing.F) {
	for _, name := range []string{"config.json", "../x", "onnx/model_q4.onnx", "a\x00", "con.json", "1_Pooling/config.json", "onnx/model.onnx_data"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		l := &listing{}
		if l.add(File{Path: name, Size: 1}) != nil {
			return
		}
		assert.NotContains(t, strings.Split(name, "/"), "..")
		assert.False(t, strings.HasPrefix(name, "/"))
		assert.NotContains(t, name, "\\")
		files, err := choose(append(l.files, File{Path: "config.json"}, File{Path: "onnx/model.onnx"}), "")
		if err == nil {
			assert.GreaterOrEqual(t, len(files), 2)
		}
	})
}
