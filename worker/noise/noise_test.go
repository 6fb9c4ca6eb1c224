package noise

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
)

// The known answers that the authors of Philox publish with their code (Random123).
func TestPhiloxGivesItsKnownAnswers(t *testing.T) {
	t.Parallel()
	const all = math.MaxUint32
	assert.Equal(t, [4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}, philox([4]uint32{}, 0, 0))
	assert.Equal(t, [4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}, philox([4]uint32{all, all, all, all}, all, all))
	assert.Equal(t, [4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1},
		philox([4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, 0xa4093822, 0x299f31d0))
}

func TestNumbersFollowFromTheirPlaceAlone(t *testing.T) {
	t.Parallel()
	s := Source{Seed: 7}
	long, short := make([]float32, 1001), make([]float32, 3)
	s.Normal(5, long)
	s.Normal(5, short)
	assert.Equal(t, long[:3], short)
	s.Normal(6, short)
	assert.NotEqual(t, long[:3], short)
	assert.NotEqual(t, s.Uniform(1), s.Uniform(2))
	assert.NotEqual(t, s.Uniform(1), Source{Seed: 7, Stream: 1}.Uniform(1))
	assert.NotEqual(t, s.Uniform(1), Source{Seed: 8}.Uniform(1))
}

func TestDistributions(t *testing.T) {
	t.Parallel()
	const n = 200_000
	s := Source{Seed: 1 << 40}
	var sum float64
	for i := range uint64(n) {
		u := s.Uniform(i)
		assert.False(t, u < 0 || u >= 1, "%v", u)
		sum += u
	}
	assert.InDelta(t, 0.5, sum/n, 0.005)
	values := make([]float32, n)
	s.Normal(0, values)
	var mean, square, beyond float64
	for _, v := range values {
		mean += float64(v) / n
		square += float64(v) * float64(v) / n
		if math.Abs(float64(v)) > 1.96 {
			beyond++
		}
	}
	assert.InDelta(t, 0, mean, 0.01)
	assert.InDelta(t, 1, square, 0.02)
	assert.InDelta(t, 0.05, beyond/n, 0.003)
}
