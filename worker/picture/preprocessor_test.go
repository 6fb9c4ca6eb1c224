package picture

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/testkit"
)

func float32Bytes(values []float32) []byte {
	var out bytes.Buffer
	_ = binary.Write(&out, binary.LittleEndian, values)
	return out.Bytes()
}

func pixelsOf(t testing.TB, p *Preprocessor, picture *Picture) []float32 {
	t.Helper()
	height, width := p.Size()
	pixels := make([]float32, 3*height*width)
	require.NoError(t, p.Pixels(picture, pixels))
	return pixels
}

func TestPixelsAreThoseOfTransformersToTheLastBit(t *testing.T) {
	t.Parallel()
	var golden struct {
		Cases []struct {
			Processor, Input, SHA256 string
			Shape                    []int
			FirstRow                 [][]float32 `json:"first_row"`
			MiddleRow                [][]float32 `json:"middle_row"`
		}
	}
	readGolden(t, "processed.json", &golden)
	require.Len(t, golden.Cases, 18*8)
	for _, c := range golden.Cases {
		name := c.Processor + " of " + c.Input
		p, err := OpenPreprocessor(filepath.Join("testdata", "processors", c.Processor))
		require.NoError(t, err)
		height, width := p.Size()
		require.Equal(t, c.Shape, []int{3, height, width}, name)
		pixels := pixelsOf(t, p, decodeFile(t, filepath.FromSlash(c.Input)))
		for channel := range 3 {
			plane := pixels[channel*height*width:][:height*width]
			require.Equal(t, c.FirstRow[channel], plane[:len(c.FirstRow[channel])], "%s, row 0", name)
			require.Equal(t, c.MiddleRow[channel], plane[height/2*width:][:len(c.MiddleRow[channel])], "%s, row %d", name, height/2)
		}
		require.Equal(t, c.SHA256, sum(float32Bytes(pixels)), name)
	}
}

// reference is what a bundle's reference.json says of its pictures.
type reference struct {
	Images []struct {
		Input     string
		Mean      float64     `json:"pixel_mean"`
		Std       float64     `json:"pixel_std"`
		FirstRow  [][]float32 `json:"pixels_first_row"`
		MiddleRow [][]float32 `json:"pixels_middle_row"`
	}
}

// moments gives the mean and the standard deviation, for which torch divides by
// one less than numpy.
func moments(values []float32, less int) (mean, std float64) {
	for _, v := range values {
		mean += float64(v) / float64(len(values))
	}
	for _, v := range values {
		std += (float64(v) - mean) * (float64(v) - mean) / float64(len(values)-less)
	}
	return mean, math.Sqrt(std)
}

func TestPixelsOfBundlesAgreeWithTheirReference(t *testing.T) {
	t.Parallel()
	for bundle, less := range map[string]int{"random/clip-random": 1, "sticker-mini": 0} {
		dir := testkit.Shared(t, "models", filepath.FromSlash(bundle))
		data, err := os.ReadFile(filepath.Join(dir, "reference.json"))
		require.NoError(t, err)
		var want reference
		require.NoError(t, json.Unmarshal(data, &want))
		require.Len(t, want.Images, 4)
		p, err := OpenPreprocessor(dir)
		require.NoError(t, err)
		_, width := p.Size()
		for _, c := range want.Images {
			data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(c.Input)))
			require.NoError(t, err)
			picture, err := Decode(data, DecodeOptions{})
			require.NoError(t, err)
			pixels := pixelsOf(t, p, picture)
			// A JPEG may be off by two levels at a pixel; its mean and deviation may not.
			within, at := 1e-6, 1e-6
			if filepath.Ext(c.Input) == ".jpg" {
				within, at = 1e-3, 2*1./255/0.26
			}
			mean, std := moments(pixels, less)
			assert.InDelta(t, c.Mean, mean, within, c.Input)
			assert.InDelta(t, c.Std, std, within, c.Input)
			for channel, row := range c.FirstRow {
				assert.InDeltaSlice(t, row, pixels[channel*len(pixels)/3:][:len(row)], at, c.Input)
			}
			for channel, row := range c.MiddleRow {
				assert.InDeltaSlice(t, row, pixels[channel*len(pixels)/3+64*width+60:][:len(row)], at, c.Input)
			}
		}
	}
}

func openConfig(t *testing.T, config string) (*Preprocessor, error) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "preprocessor_config.json"), []byte(config), 0o600))
	return OpenPreprocessor(dir)
}

func TestOpenPreprocessorNamesWhatItCannotFollow(t *testing.T) {
	t.Parallel()
	const fast = `{"image_processor_type": "CLIPImageProcessorFast"`
	const clip, vit, siglip = `{"image_processor_type": "CLIPImageProcessor"`, `{"image_processor_type": "ViTImageProcessor"`, `{"image_processor_type": "SiglipImageProcessor"`
	for config, says := range map[string]string{
		``:     "unexpected end",
		`null`: "no object",
		`[]`:   "cannot unmarshal array",
		`{}`:   `image_processor_type: "" is not supported`,
		`{"image_processor_type": "DonutImageProcessor"}`:               `"DonutImageProcessor"`,
		`{"image_processor_type": 3}`:                                   "image_processor_type",
		clip + `, "size": {"longest_edge": 9}}`:                         `size: not supported with the keys "longest_edge"`,
		clip + `, "size": {"max_height": 9, "max_width": 9}}`:           "max_height",
		clip + `, "size": 0}`:                                           "size: 0 is not within",
		clip + `, "size": 5000}`:                                        "size: 5000",
		clip + `, "size": "big"}`:                                       "size:",
		clip + `, "size": [224, 224]}`:                                  "size:",
		clip + `, "size": {"height": 0, "width": 4}}`:                   "size: 0",
		clip + `, "crop_size": {"shortest_edge": 9}}`:                   "crop_size",
		clip + `, "crop_size": -3}`:                                     "crop_size: -3",
		clip + `, "resample": 6}`:                                       "resample: 6",
		clip + `, "resample": -1}`:                                      "resample: -1",
		clip + `, "resample": null}`:                                    "resample: null",
		clip + `, "resample": "bicubic"}`:                               "resample:",
		clip + `, "rescale_factor": null}`:                              "rescale_factor: null",
		clip + `, "rescale_factor": 1e200}`:                             "rescale_factor",
		clip + `, "image_std": [1, 0, 1]}`:                              "image_std: nothing can be divided by 0",
		clip + `, "image_std": 1e-60}`:                                  "image_std",
		clip + `, "image_mean": [1, 2]}`:                                "image_mean: 2 numbers",
		clip + `, "image_mean": "no"}`:                                  "image_mean:",
		clip + `, "do_center_crop": false}`:                             "do_center_crop",
		clip + `, "do_resize": "yes"}`:                                  "do_resize:",
		clip + `, "do_pad": true}`:                                      "do_pad: not supported",
		clip + `, "use_square_size": true}`:                             "use_square_size",
		clip + `, "do_flip_channel_order": true}`:                       "do_flip_channel_order",
		clip + `, "data_format": "channels_last"}`:                      "channels_last",
		clip + `, "alpha_background": [1, 2]}`:                          "alpha_background",
		clip + `, "alpha_background": [1, 2, 256]}`:                     "alpha_background",
		clip + `, "alpha_background": [1, 2, -1]}`:                      "alpha_background",
		fast + `, "size": {"shortest_edge": 224, "longest_edge": 500}}`: "longest_edge",
		fast + `, "resample": 0}`:                                       "resample: 0",
		fast + `, "resample": 4}`:                                       "resample: 4",
		fast + `, "do_resize": false}`:                                  "crop_size",
		fast + `, "crop_size": 225}`:                                    "crop_size",
		vit + `, "do_center_crop": true}`:                               "do_center_crop: not supported",
		vit + `, "crop_size": 200}`:                                     "crop_size: not supported",
		vit + `, "size": {"shortest_edge": 9}}`:                         "shortest_edge",
		vit + `, "do_resize": false}`:                                   "size:",
		siglip + `, "size": 224}`:                                       "size: needs height and width",
		siglip + `, "size": {"height": 9, "longest_edge": 224}}`:        "longest_edge",
	} {
		p, err := openConfig(t, config)
		assert.ErrorContains(t, err, says, config)
		assert.Nil(t, p, config)
	}
}

func TestOpenPreprocessorTakesWhatChangesNoPixel(t *testing.T) {
	t.Parallel()
	want, err := openConfig(t, `{"image_processor_type": "CLIPImageProcessor"}`)
	require.NoError(t, err)
	picture := decodeFile(t, "pictures", "rgb8.png")
	for _, config := range []string{
		`{"image_processor_type": "CLIPImageProcessorFast", "default_to_square": false, "data_format": "channels_first", "device": null,
		  "disable_grouping": null, "do_pad": null, "pad_size": null, "input_data_format": null, "return_tensors": null}`,
		`{"feature_extractor_type": "CLIPFeatureExtractor", "size": 224, "crop_size": 224, "do_pad": false, "do_convert_rgb": null}`,
		`{"feature_extractor_type": "ViTFeatureExtractor", "image_processor_type": "CLIPImageProcessor", "processor_class": "CLIPProcessor",
		  "size": null, "crop_size": null, "image_mean": null, "image_std": null, "alpha_background": null,
		  "_valid_processor_keys": ["images"]}`,
	} {
		got, err := openConfig(t, config)
		require.NoError(t, err, config)
		assert.Equal(t, pixelsOf(t, want, picture), pixelsOf(t, got, picture), config)
	}
	none, err := openConfig(t, `{"image_processor_type": "CLIPImageProcessor", "do_rescale": null, "do_normalize": null}`)
	require.NoError(t, err)
	assert.Equal(t, float32(77), none.values[1][77], "null is false")
}

func TestOpenPreprocessorWithoutAFileSaysWhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := OpenPreprocessor(dir)
	require.ErrorIs(t, err, os.ErrNotExist)
	assert.ErrorContains(t, err, dir)
	_, err = openConfig(t, string(bytes.Repeat([]byte(" "), maxConfigBytes+1)))
	assert.ErrorContains(t, err, "larger than 1 MiB")
}

func TestPixelsWantsRoomForTheTensor(t *testing.T) {
	t.Parallel()
	p, err := openConfig(t, `{"image_processor_type": "ViTImageProcessor", "size": 4}`)
	require.NoError(t, err)
	picture := newPicture(1, 1, false)
	assert.ErrorContains(t, p.Pixels(picture, make([]float32, 47)), "47 values")
	assert.NoError(t, p.Pixels(picture, make([]float32, 48)))
	assert.ErrorContains(t, p.Pixels(&Picture{Width: 2, Height: 1, RGB: make([]byte, 3)}, make([]float32, 48)), "2 x 1")
}

// Not parallel: memory is counted.
func TestPixelsOfAnExtremeRatioTakeLittleMemory(t *testing.T) {
	p, err := openConfig(t, `{"image_processor_type": "CLIPImageProcessor"}`)
	require.NoError(t, err)
	for _, picture := range []*Picture{newPicture(16_384, 1, false), newPicture(1, 16_384, false)} {
		pixels := make([]float32, 3*224*224)
		taken := allocated(func() { err = p.Pixels(picture, pixels) })
		require.NoError(t, err)
		assert.Less(t, taken, uint64(1<<20))
	}
}

func FuzzParseConfig(f *testing.F) {
	paths, err := filepath.Glob(filepath.Join("testdata", "processors", "*", "preprocessor_config.json"))
	require.NoError(f, err)
	require.NotEmpty(f, paths)
	for _, path := range paths {
		data, err := os.ReadFile(path)
		require.NoError(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parseConfig(data)
		if err != nil {
			return
		}
		if p, err := newPreprocessor(c); err == nil {
			height, width := p.Size()
			require.True(t, 1 <= height && height <= maxModelSide && 1 <= width && width <= maxModelSide)
			require.NoError(t, p.Pixels(newPicture(2, 3, true), make([]float32, 3*height*width)))
		}
	})
}
