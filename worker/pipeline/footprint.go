package pipeline

// Footprint is what outputs take in memory while they are written, in bytes, by an
// estimate from the sizes of a model. The model itself is not in it. Numbers are floats,
// as the sizes of a hostile bundle would overflow whole ones.
type Footprint struct {
	// Fixed is for a run, Row for each row: logits and the activations of a step.
	Fixed, Row float64
	// Read is for each row and token of its input where an encoder reads it, Written
	// for each row and token of its output: caches and masks.
	Read, Written float64
	// Scores is for each output and pair of tokens of its input: the attention of an
	// encoder.
	Scores float64
}

// of is the bytes of outputs with so many rows in all, whose inputs and outputs have up to
// so many tokens.
func (f Footprint) of(outputs, rows, read, written int) float64 {
	r, in, out := float64(rows), float64(read), float64(written)
	return f.Fixed + r*(f.Row+in*f.Read+out*f.Written) + float64(outputs)*in*in*f.Scores
}

// defaultRunBytes is what a run may take where nothing else is said.
const defaultRunBytes = 1 << 30
