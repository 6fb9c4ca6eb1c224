package draw

import (
	"context"
	"errors"
	"fmt"

	"parley/worker/bundle"
	"parley/worker/noise"
	"parley/worker/picture"
)

// preview is the colours of latents in a rough way: for each of red, green and blue a
// weight for each channel and one number more, found by decoding a few latents when the
// model is loaded. It costs nothing, where the decoder costs seconds.
type preview struct{ weights [3][]float64 }

// fitted is how many places the latents have by which the weights are found: a square.
const fitted = 16

// fit finds the weights by least squares.
func (p *loaded) fit() (*preview, error) {
	channels, places := p.config.channels, fitted*fitted
	latents := make([]float32, channels*places)
	noise.Source{}.Normal(0, latents)
	planes, err := p.planes(context.Background(), latents, fitted, fitted)
	if err != nil {
		return nil, fmt.Errorf("vae decoder: %w", err)
	}
	n := channels + 1
	var right [3][]float64
	left := make([][]float64, n)
	for i := range left {
		left[i] = make([]float64, n)
	}
	for c := range right {
		right[c] = make([]float64, n)
	}
	x := make([]float64, n)
	x[channels] = 1
	for place := range places {
		for c := range channels {
			x[c] = float64(latents[c*places+place])
		}
		for i := range n {
			for j := range n {
				left[i][j] += x[i] * x[j]
			}
			for c := range right {
				right[c][i] += x[i] * mean(planes, c, place, p.config.scale)
			}
		}
	}
	v := &preview{}
	for c := range right {
		if v.weights[c], err = solve(left, right[c]); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// mean is the mean of a plane's pixels over one place.
func mean(planes []float32, plane, place, scale int) float64 {
	width := fitted * scale
	sum := 0.0
	for y := range scale {
		at := plane*width*width + (place/fitted*scale+y)*width + place%fitted*scale
		for _, v := range planes[at : at+scale] {
			sum += float64(v)
		}
	}
	return sum / float64(scale*scale)
}

// solve gives x of left x = right by Gauss's elimination with pivots.
func solve(left [][]float64, right []float64) ([]float64, error) {
	n := len(right)
	rows := make([][]float64, n)
	for i := range rows {
		rows[i] = append(append([]float64(nil), left[i]...), right[i])
	}
	for i := range n {
		pivot := i
		for r := i + 1; r < n; r++ {
			if abs(rows[r][i]) > abs(rows[pivot][i]) {
				pivot = r
			}
		}
		rows[i], rows[pivot] = rows[pivot], rows[i]
		if !(abs(rows[i][i]) > 1e-12) {
			return nil, errors.Join(bundle.ErrBroken, errors.New("the vae decoder gives no numbers"))
		}
		for r := range n {
			if r == i {
				continue
			}
			f := rows[r][i] / rows[i][i]
			for c := i; c <= n; c++ {
				rows[r][c] -= f * rows[i][c]
			}
		}
	}
	x := make([]float64, n)
	for i := range x {
		x[i] = rows[i][n] / rows[i][i]
	}
	return x, nil
}

func abs(x float64) float64 { return max(x, -x) }

// Preview is the picture that latents of a picture width pixels wide show already, one
// pixel for each of their places; a width of 0 is the model's own. It fails before the
// model was loaded once, as Draw does.
func (p *Painter) Preview(l *Latents, width int) (*picture.Picture, error) {
	values := l.Values
	if l.Denoised != nil {
		values = l.Denoised
	}
	places := len(values) / p.config.channels
	if width == 0 {
		width = p.Size()
	}
	columns := width / p.config.scale
	if columns < 1 || places < 1 || places%columns != 0 || len(values) != places*p.config.channels {
		return nil, fmt.Errorf("latents of %d numbers are no picture %d pixels wide", len(values), width)
	}
	planes := make([]float32, 3*places)
	fit := p.preview.Load()
	if fit == nil {
		return nil, errors.New("the model was not loaded yet")
	}
	for c, w := range fit.weights {
		for place := range places {
			sum := w[p.config.channels]
			for channel := range p.config.channels {
				sum += w[channel] * float64(values[channel*places+place])
			}
			planes[c*places+place] = float32(sum/2 + 0.5)
		}
	}
	return picture.FromPlanes(planes, places/columns, columns)
}
