package picture

import (
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"maps"
	"math"
	"slices"
	"strings"
)

// maxModelSide bounds the sides of tensors. Vision models take 224 to 1,024.
const maxModelSide = 4096

// config is preprocessor_config.json with all defaults filled in.
type config struct {
	background    *[3]uint8
	doResize      bool
	size          size
	resample      filter
	doCrop        bool
	crop          size
	doRescale     bool
	rescaleFactor float64
	doNormalize   bool
	mean, std     [3]float64
}

// size is a shortest edge, or else height and width. 0 is for what isn't given.
type size struct{ shortest, height, width int }

// of gives the size that a picture is resized to. The longer edge is rounded
// down.
func (s size) of(width, height int) image.Point {
	longer := func(long, short int) int { return int(float64(s.shortest*long) / float64(short)) }
	switch {
	case s.shortest == 0:
		return image.Pt(s.width, s.height)
	case width <= height:
		return image.Pt(s.shortest, longer(height, width))
	}
	return image.Pt(longer(width, height), s.shortest)
}

// family is what a class of image processors takes for granted.
type family struct {
	defaults config
	// integer is what a size that is one number means; nil refuses it.
	integer func(n int) size
	// shortest tells whether the class can resize by the shortest edge, crops whether
	// it has a centre crop, fast whether the configuration is for torchvision.
	shortest, crops, fast bool
}

func shortestEdge(n int) size { return size{shortest: n} }
func square(n int) size       { return size{height: n, width: n} }

var (
	clipMean = [3]float64{0.48145466, 0.4578275, 0.40821073}
	clipStd  = [3]float64{0.26862954, 0.26130258, 0.27577711}
	half     = [3]float64{0.5, 0.5, 0.5}
)

var (
	clipFamily = family{
		defaults: config{
			doResize: true, size: shortestEdge(224), resample: bicubic, doCrop: true, crop: square(224),
			doRescale: true, rescaleFactor: 1. / 255, doNormalize: true, mean: clipMean, std: clipStd,
		},
		integer: shortestEdge, shortest: true, crops: true,
	}
	// One number would be a shortest edge here, which this class then refuses.
	siglipFamily = family{defaults: config{
		doResize: true, size: square(224), resample: bicubic,
		doRescale: true, rescaleFactor: 1. / 255, doNormalize: true, mean: half, std: half,
	}}
	vitFamily = family{
		defaults: config{
			doResize: true, size: square(224), resample: bilinear,
			doRescale: true, rescaleFactor: 1. / 255, doNormalize: true, mean: half, std: half,
		},
		integer: square,
	}
)

var families = map[string]family{
	"CLIPImageProcessor":   clipFamily,
	"BitImageProcessor":    clipFamily,
	"SiglipImageProcessor": siglipFamily,
	"ViTImageProcessor":    vitFamily,
}

// object is a JSON object whose keys are taken out as they are understood.
type object map[string]json.RawMessage

// take removes a key and tells whether it was there. null leaves the value as it
// is, but counts as there.
func (o object) take(key string, into any) (found bool, err error) {
	raw, found := o[key]
	delete(o, key)
	if !found || string(raw) == "null" {
		return found, nil
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return found, fmt.Errorf("%s: %w", key, err)
	}
	return found, nil
}

func parseConfig(data []byte) (*config, error) {
	var keys object
	if err := json.Unmarshal(data, &keys); err != nil {
		return nil, err
	}
	if keys == nil {
		return nil, errors.New("preprocessor_config.json holds no object")
	}
	f, err := takeFamily(keys)
	if err != nil {
		return nil, err
	}
	c := f.defaults
	for _, step := range []func(object, family) error{c.takeSwitches, c.takeSizes, c.takeValues, takeNotes} {
		if err := step(keys, f); err != nil {
			return nil, err
		}
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if raw := string(keys[key]); raw != "null" && raw != "false" {
			return nil, fmt.Errorf("%s: not supported here", key)
		}
	}
	if f.fast {
		if err := c.checkFast(); err != nil {
			return nil, err
		}
	}
	return &c, c.check()
}

// takeFamily reads the class by either of the keys that name it.
func takeFamily(keys object) (family, error) {
	var older, name string
	if _, err := keys.take("feature_extractor_type", &older); err != nil {
		return family{}, err
	}
	if _, err := keys.take("image_processor_type", &name); err != nil {
		return family{}, err
	}
	if name == "" {
		name = strings.Replace(older, "FeatureExtractor", "ImageProcessor", 1)
	}
	slow, fast := strings.CutSuffix(name, "Fast")
	f, found := families[slow]
	if !found {
		return family{}, fmt.Errorf("image_processor_type: %q is not supported", name)
	}
	f.fast = fast
	return f, nil
}

// takeSwitches reads the do_ keys. null is false, as Python has it.
func (c *config) takeSwitches(keys object, f family) error {
	switches := map[string]*bool{"do_resize": &c.doResize, "do_rescale": &c.doRescale, "do_normalize": &c.doNormalize}
	if f.crops {
		switches["do_center_crop"] = &c.doCrop
	}
	for key, value := range switches {
		given := false
		found, err := keys.take(key, &given)
		if err != nil {
			return err
		}
		if found {
			*value = given
		}
	}
	return nil
}

func (c *config) takeSizes(keys object, f family) error {
	var edges []string
	if f.shortest {
		edges = append(edges, "shortest_edge")
	}
	// The numpy classes with a shortest edge accept a longest one and never read it;
	// torchvision's do read it.
	if f.shortest && !f.fast {
		edges = append(edges, "longest_edge shortest_edge")
	}
	if err := c.size.take(keys, "size", f.integer, edges); err != nil {
		return err
	}
	if !f.crops {
		return nil
	}
	return c.crop.take(keys, "crop_size", square, nil)
}

// take reads a size: a number where integer allows it, height and width, or other
// edges, which are sorted names. null and absent leave what is there.
func (s *size) take(keys object, key string, integer func(int) size, others []string) error {
	var raw json.RawMessage
	if _, err := keys.take(key, &raw); err != nil || raw == nil {
		return err
	}
	var n int
	if json.Unmarshal(raw, &n) == nil {
		if integer == nil {
			return fmt.Errorf("%s: needs height and width here", key)
		}
		*s = integer(n)
		return s.check(key)
	}
	var edges map[string]int
	if err := json.Unmarshal(raw, &edges); err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	*s = size{edges["shortest_edge"], edges["height"], edges["width"]}
	names := strings.Join(slices.Sorted(maps.Keys(edges)), " ")
	if names != "height width" && !slices.Contains(others, names) {
		return fmt.Errorf("%s: not supported with the keys %q", key, names)
	}
	return s.check(key)
}

func (s *size) check(key string) error {
	sides := []int{s.height, s.width}
	if s.shortest != 0 {
		sides = []int{s.shortest}
	}
	for _, side := range sides {
		if side < 1 || side > maxModelSide {
			return fmt.Errorf("%s: %d is not within 1 to %d", key, side, maxModelSide)
		}
	}
	return nil
}

func (c *config) takeValues(keys object, _ family) error {
	for key, value := range map[string]any{"resample": &c.resample, "rescale_factor": &c.rescaleFactor} {
		if string(keys[key]) == "null" {
			return fmt.Errorf("%s: null is not supported", key)
		}
		if _, err := keys.take(key, value); err != nil {
			return err
		}
	}
	for key, value := range map[string]*[3]float64{"image_mean": &c.mean, "image_std": &c.std} {
		if err := takeChannels(keys, key, value); err != nil {
			return err
		}
	}
	var background []uint16
	if _, err := keys.take("alpha_background", &background); err != nil || background == nil {
		return err
	}
	if len(background) != 3 || slices.Max(background) > 255 {
		return errors.New("alpha_background: wants three levels from 0 to 255")
	}
	c.background = &[3]uint8{uint8(background[0]), uint8(background[1]), uint8(background[2])}
	return nil
}

// takeChannels reads a number for each channel, or one for all.
func takeChannels(keys object, key string, into *[3]float64) error {
	var raw json.RawMessage
	if _, err := keys.take(key, &raw); err != nil || raw == nil {
		return err
	}
	var all float64
	if json.Unmarshal(raw, &all) == nil {
		*into = [3]float64{all, all, all}
		return nil
	}
	var each []float64
	if err := json.Unmarshal(raw, &each); err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	if len(each) != len(into) {
		return fmt.Errorf("%s: %d numbers for 3 channels", key, len(each))
	}
	copy(into[:], each)
	return nil
}

// takeNotes removes what changes no pixel: pictures are RGB here before they come,
// the numpy processors don't read default_to_square, and channels always come
// first.
func takeNotes(keys object, _ family) error {
	for _, key := range []string{"processor_class", "_valid_processor_keys", "do_convert_rgb", "default_to_square"} {
		delete(keys, key)
	}
	order := "channels_first"
	if _, err := keys.take("data_format", &order); err != nil {
		return err
	}
	if order != "channels_first" {
		return fmt.Errorf("data_format: %q is not supported", order)
	}
	return nil
}

// checkFast refuses what torchvision does in another way altogether: it has no box
// and no Hamming filter, picks other samples for nearest, and pads by another half
// of an odd number.
func (c *config) checkFast() error {
	within := c.size.shortest
	if within == 0 {
		within = min(c.size.height, c.size.width)
	}
	switch {
	case c.doResize && (c.resample == nearest || c.resample == box || c.resample == hamming):
		return fmt.Errorf("resample: %d differs in a fast image processor", c.resample)
	case c.doCrop && (!c.doResize || max(c.crop.height, c.crop.width) > within):
		return errors.New("crop_size: larger than the picture, differs in a fast image processor")
	}
	return nil
}

func (c *config) check() error {
	switch {
	case !c.resample.known():
		return fmt.Errorf("resample: %d is none of Pillow's filters 0 to 5", c.resample)
	case math.Abs(c.rescaleFactor) > math.MaxFloat32:
		return fmt.Errorf("rescale_factor: %g is beyond float32", c.rescaleFactor)
	}
	for i := range c.mean {
		if math.Abs(c.mean[i]) > math.MaxFloat32 {
			return fmt.Errorf("image_mean: %g is beyond float32", c.mean[i])
		}
		if std := float32(c.std[i]); std == 0 || math.Abs(c.std[i]) > math.MaxFloat32 {
			return fmt.Errorf("image_std: nothing can be divided by %g", c.std[i])
		}
	}
	return nil
}

// values works out what each level becomes, with the steps and the rounding of
// numpy: scaled in float64, then float32.
func (c *config) values() [3][256]float32 {
	var values [3][256]float32
	for channel := range values {
		for level := range values[channel] {
			v := float32(level)
			if c.doRescale {
				v = float32(float64(level) * c.rescaleFactor)
			}
			if c.doNormalize {
				v = (v - float32(c.mean[channel])) / float32(c.std[channel])
			}
			values[channel][level] = v
		}
	}
	return values
}
