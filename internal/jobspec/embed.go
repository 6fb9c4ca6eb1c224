package jobspec

import (
	"encoding/binary"
	"errors"
	"math"
)

// KindEmbed turns texts and pictures into vectors. It is work for many of them that
// nobody waits for, in LaneBulk; a single one that somebody waits for is a Query.
const KindEmbed = "embed"

// Bounds of an Embed and of a Query about one text or picture.
const (
	// MaxEmbedItems is how many texts and pictures one Embed may have.
	MaxEmbedItems = 256
	// MaxEmbedValues is how many numbers its vectors may have together: for a model of
	// 384 dimensions 341 vectors, for one of 1024 128. So an Embedded, about 700 KB as
	// JSON, fits into the 1 MiB that a message of NATS may have by default.
	MaxEmbedValues = 128 << 10
	// MaxEmbedPayload is how many bytes an Embed may have as JSON, for the same reason:
	// 768 KiB, of which the pictures, in base64, are at most 576 KiB as files.
	MaxEmbedPayload = 768 << 10
	// MaxEmbedText is the longest text of an Embed in bytes. A model reads less than
	// that: the rest would be cut.
	MaxEmbedText = 64 << 10
	// MaxQueryText is the longest text of an EmbedQuery in bytes.
	MaxQueryText = 4 << 10
)

// Embed is the payload of KindEmbed: texts and pictures, within the bounds above.
type Embed struct {
	// Model is the digest of the model that is wanted, "" for the one whose pool it is.
	// Where the worker has another one it fails with CodeModelMissing.
	Model string   `json:"model,omitempty"`
	Texts []string `json:"texts,omitempty"`
	// Pictures are files of PNG, JPEG, WebP, GIF or BMP.
	Pictures [][]byte `json:"pictures,omitempty"`
}

// Embedded is the result of KindEmbed.
type Embedded struct {
	// Model is the name of the bundle, Digest that of its Space.
	Model      string `json:"model"`
	Digest     string `json:"digest"`
	Dimensions int    `json:"dimensions"`
	// Vectors are those of the texts and then those of the pictures, in their order.
	Vectors []Embedding `json:"vectors"`
}

// Embedding is what became of one text or picture: one of the fields is set.
type Embedding struct {
	Vector  Vector   `json:"vector,omitempty"`
	Failure *Failure `json:"failure,omitempty"`
}

// EmbedQuery is the payload of a Query of KindEmbed: one of the fields is set.
type EmbedQuery struct {
	// Text has at most MaxQueryText bytes.
	Text string `json:"text,omitempty"`
	// Picture is a file, as in Embed.
	Picture []byte `json:"picture,omitempty"`
}

// EmbedAnswer is the payload of the Answer to an EmbedQuery.
type EmbedAnswer struct {
	Model  string `json:"model"`
	Digest string `json:"digest"`
	Vector Vector `json:"vector"`
}

// Space is what a bundle of KindEmbed gives: vectors of one space, of length 1, whose
// dot product says how near two things are.
type Space struct {
	// Digest is that of all files that the vectors depend on, 64 hexadecimal digits:
	// vectors of the same digest can be compared, others can't.
	Digest     string `json:"digest"`
	Dimensions int    `json:"dimensions"`
	// Texts and Pictures tell what it reads.
	Texts    bool `json:"texts,omitempty"`
	Pictures bool `json:"pictures,omitempty"`
}

// Vector is numbers as little-endian float32, which JSON holds in base64: to the last
// bit, in half of the bytes of decimal digits.
type Vector []byte

// NewVector makes a Vector of numbers.
func NewVector(values []float32) Vector {
	v := make(Vector, 0, 4*len(values))
	for _, x := range values {
		v = binary.LittleEndian.AppendUint32(v, math.Float32bits(x))
	}
	return v
}

// Values gives the numbers. It fails on what is not made of whole ones.
func (v Vector) Values() ([]float32, error) {
	if len(v)%4 != 0 {
		return nil, errors.New("a vector is cut off in the middle of a number")
	}
	values := make([]float32, len(v)/4)
	for i := range values {
		values[i] = math.Float32frombits(binary.LittleEndian.Uint32(v[4*i:]))
	}
	return values, nil
}
